"""The shipped policies: `evaluation` to try the gate out, `production` to stand behind."""

from enum import StrEnum
from importlib.resources import files


class Profile(StrEnum):
    """The shipped policies, by name."""

    EVALUATION = "evaluation"
    PRODUCTION = "production"


def profile_text(profile: Profile) -> str:
    """The policy document, YAML, comments and all."""
    return files(__name__).joinpath(f"{profile}.yaml").read_text(encoding="utf-8")
