"""What `imagegate check` can be asked, and the forms in which it answers."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Format(StrEnum):
    """How the answer is printed."""

    TABLE = "table"
    JSON = "json"
    SARIF = "sarif"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the gate would say of `image`, as `find_image` takes it, in `repository` ("": its own), under the policy of
    a file (None: the gate's own, else the evaluation profile), with or without its signatures.
    """

    image: str
    repository: str
    policy: Path | None
    before_signing: bool
