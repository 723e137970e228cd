"""Loads the settings: defaults < file < environment < flags, every mistake at once and where it was made."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from config.errors import ConfigurationError, Location, Problem
from config.problems import dotted, problems_of, unknown_key
from config.settings import ENVIRONMENT_DELIMITER, ENVIRONMENT_PREFIX, Settings
from config.yaml_source import YamlDocument, read_yaml, read_yaml_file

FILE_VARIABLE = "IMAGEGATE_CONFIG"
"""Names the settings file where no flag does."""

CLIENT_VARIABLES = frozenset({"IMAGEGATE_GATE", "IMAGEGATE_TOKEN"})
"""For commands that ask a gate on another machine: no settings of this one, though they have the same prefix."""

MAX_SECRET_BYTES = 64 << 10
_USUAL_FILES = (Path("imagegate.yaml"), Path("/etc/imagegate/imagegate.yaml"))
_SECRETS_OF_UPSTREAM = ("password", "token")
_NO_SETTINGS = {FILE_VARIABLE, *CLIENT_VARIABLES}
# A Service called imagegate makes Kubernetes set these in every pod of its namespace.
_NOT_OURS = re.compile(r"IMAGEGATE_(?:SERVICE_(?:HOST|PORT(?:_\w+)?)|PORT(?:_\d+_(?:TCP|UDP)\w*)?)")


def find_settings_file(path: Path | None = None) -> Path | None:
    """The file to read: `path`, else $IMAGEGATE_CONFIG, ./imagegate.yaml, /etc/imagegate/imagegate.yaml, or none."""
    if path is None and (named := os.environ.get(FILE_VARIABLE)):
        path = Path(named)
    return path or next((usual for usual in _USUAL_FILES if usual.is_file()), None)


def load_settings(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Load the settings from the file that is found, the environment, and `overrides`, nested like the file.

    Raises `ConfigurationError` with every problem.
    """
    file = find_settings_file(path)
    document = read_yaml_file(file) if file else read_yaml("", "configuration")
    flags = dict(overrides or {})
    problems = list(_unknown_variables())
    try:
        environment = EnvSettingsSource(_Variables)()
    except SettingsError as error:
        problems.append(Problem("environment", 0, 0, f"{error}; a section is written as JSON"))
        environment = {}
    values = _merged(_merged(document.data, environment), flags)
    sources = _Sources(document, flags)
    problems.extend(_put_secrets(values, sources))
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems.extend(problems_of(error, Settings, sources.locate))
    else:
        if not problems:
            return settings
    raise ConfigurationError(tuple(problems))


def placed(
    problems: Iterable[Problem], path: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> tuple[Problem, ...]:
    """Problems with settings that were loaded from here, with their line where they have a location only."""
    file = find_settings_file(path)
    sources = _Sources(read_yaml_file(file) if file else read_yaml("", "configuration"), dict(overrides or {}))
    return tuple(
        Problem(*sources.locate(problem.location), f"{problem.source}: {problem.message}")
        if problem.location and not problem.line
        else problem
        for problem in problems
    )


class _Variables(Settings, BaseSettings):
    """Tells pydantic-settings which variables there are; never made itself."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter=ENVIRONMENT_DELIMITER, case_sensitive=False
    )


class _Sources:
    """Knows which source gave a value: the strongest one that has it."""

    def __init__(self, document: YamlDocument, flags: Mapping[str, Any]) -> None:
        self._document = document
        self._flags = flags

    def locate(self, location: Location) -> tuple[str, int, int]:
        """The source, line and column of what stands at `location`, or around it."""
        if _get(self._flags, location) is not None:
            return "command line", 0, 0
        for length in range(len(location), 0, -1):
            if (name := _variable(location[:length])) in os.environ:
                return f"environment {name}", 0, 0
        return (self._document.source, *self._document.place(location))


def _variable(location: Location) -> str:
    return ENVIRONMENT_PREFIX + ENVIRONMENT_DELIMITER.join(str(part) for part in location).upper()


def _get(values: Mapping[str, Any], location: Location) -> Any:
    """What stands at `location`, or None."""
    found: Any = values
    for part in location:
        if isinstance(found, Mapping):
            found = found.get(part)
        elif isinstance(found, list) and isinstance(part, int) and part < len(found):
            found = found[part]
        else:
            return None
    return found


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`below` with what `above` says put over it, section by section."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(under, Mapping) and isinstance(value, Mapping):
            merged[key] = _merged(under, value)
        else:
            merged[key] = value
    return merged


def _unknown_variables() -> Iterator[Problem]:
    """Variables with our prefix that name no section; pydantic sees unknown keys below one, but not these."""
    known = list(Settings.model_fields)
    for name in sorted(os.environ):
        if not name.startswith(ENVIRONMENT_PREFIX) or name in _NO_SETTINGS or _NOT_OURS.fullmatch(name):
            continue
        key = name.removeprefix(ENVIRONMENT_PREFIX).split(ENVIRONMENT_DELIMITER)[0].lower()
        if key not in known:
            yield Problem(f"environment {name}", 0, 0, f"{key}: {unknown_key(key, known)}")


def _put_secrets(values: dict[str, Any], sources: _Sources) -> Iterator[Problem]:
    """Read the files that hold secrets and put what they hold into `values`."""
    for secret in _secrets(values):
        file = (*secret[:-1], f"{secret[-1]}_file")
        path = _get(values, file)
        if not isinstance(path, str) or not path:
            continue
        if _get(values, secret):
            problem = f"{dotted(secret)} is given too; keep one of the two"
            yield Problem(*sources.locate(file), f"{dotted(file)}: {problem}")
            continue
        try:
            content = _read_secret(Path(path).expanduser())
        except (OSError, ValueError) as error:
            yield Problem(*sources.locate(file), f"{dotted(file)}: the secret cannot be read: {error}")
        else:
            _get(values, secret[:-1])[secret[-1]] = content


def _secrets(values: Mapping[str, Any]) -> Iterator[Location]:
    """Where secrets can stand; beside each, with _file after its name, can be the name of a file that holds it."""
    yield ("database_url",)
    listed = values.get("upstreams")
    upstreams: list[Location] = [("upstream",)]
    upstreams += [("upstreams", index) for index in range(len(listed) if isinstance(listed, list) else 0)]
    for upstream in upstreams:
        for name in _SECRETS_OF_UPSTREAM:
            yield (*upstream, name)


def _read_secret(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(MAX_SECRET_BYTES + 1)
    if len(content) > MAX_SECRET_BYTES:
        raise ValueError(f"{path} is longer than {MAX_SECRET_BYTES} bytes")
    secret = content.decode().rstrip("\r\n")
    if not secret:
        raise ValueError(f"{path} is empty")
    return secret
