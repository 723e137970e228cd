"""The policy document as text: YAML in, every mistake at once with its line; a JSON Schema for editors out."""

from pathlib import Path

from pydantic import ValidationError

from config.errors import ConfigurationError
from config.policy import Policy
from config.problems import problems_of
from config.yaml_source import YamlDocument, read_yaml, read_yaml_file


def load_policy(text: str, source: str) -> Policy:
    """Read a policy; `source` names it in problems. Raises `ConfigurationError` with every problem found."""
    return _validated(read_yaml(text, source))


def load_policy_file(path: Path) -> Policy:
    """Read the policy in the file at `path`. Raises `ConfigurationError` with every problem found."""
    return _validated(read_yaml_file(path))


def policy_schema() -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of the document."""
    schema = Policy.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _validated(document: YamlDocument) -> Policy:
    try:
        return Policy.model_validate(dict(document.data))
    except ValidationError as error:
        problems = problems_of(error, Policy, lambda place: (document.source, *document.place(place)))
        raise ConfigurationError(problems) from error
