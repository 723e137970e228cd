"""The policy document as text: YAML in, every mistake at once with its line; a JSON Schema for editors out."""

from pydantic import ValidationError

from config.errors import ConfigurationError
from config.policy import Policy
from config.problems import problems_of
from config.yaml_source import read_yaml


def load_policy(text: str, source: str) -> Policy:
    """Read a policy; `source` names it in problems. Raises `ConfigurationError` with every problem found."""
    document = read_yaml(text, source)
    try:
        return Policy.model_validate(dict(document.data))
    except ValidationError as error:
        problems = problems_of(error, Policy, lambda location: (source, *document.place(location)))
        raise ConfigurationError(problems) from error


def policy_schema() -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of the document."""
    schema = Policy.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
