"""The settings explained, made from the model itself so that they cannot drift apart."""

import json
from collections.abc import Iterator
from textwrap import wrap

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from config.settings import ENVIRONMENT_DELIMITER, ENVIRONMENT_PREFIX, Settings

_WIDTH = 100
_PREAMBLE = f"""\
# Settings of imagegate. Every key is optional and stands here with its default.
# The environment wins over this file: {ENVIRONMENT_PREFIX}LISTEN{ENVIRONMENT_DELIMITER}PORT=5001; \
flags win over both.
# Check it with: imagegate check-config
"""


def commented_default() -> str:
    """A settings file, YAML, with every key at its default and what it means above it."""
    return _PREAMBLE + "\n" + "\n".join(_lines(Settings, "")) + "\n"


def settings_schema() -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of the settings file."""
    schema = Settings.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _lines(model: type[BaseModel], indent: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            yield ""
            yield from _comment(section.__doc__ or "", indent)
            yield f"{indent}{name}:"
            yield from _lines(section, indent + "  ")
        else:
            yield from _comment(field.description or "", indent)
            yield f"{indent}{name}: {_default(field)}"


def _comment(text: str, indent: str) -> list[str]:
    return wrap(text, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def _default(field: FieldInfo) -> str:
    value = "" if field.default_factory else field.default
    return json.dumps(value.get_secret_value() if isinstance(value, SecretStr) else value, ensure_ascii=False)
