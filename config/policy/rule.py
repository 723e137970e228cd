"""What holds for a set of repositories."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from config.patterns import RepositoryPattern
from config.policy.deny import Deny
from config.policy.model import Document
from config.policy.require import Require
from config.policy.sbom import SbomRules
from config.policy.tags import TagRules
from config.vocabulary import ArtifactKind, Mode

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}", re.IGNORECASE)


def _artifact(name: str) -> str:
    if name in set(ArtifactKind) or _MEDIA_TYPE.fullmatch(name):
        return name
    raise ValueError(
        f"{name[:100]!r} is no kind of artifact; write {', '.join(ArtifactKind)}, or a media type such as"
        " application/vnd.example.thing"
    )


ArtifactName = Annotated[str, AfterValidator(_artifact)]


class RepositoryRule(Document):
    """What holds for the repositories that match one of the patterns."""

    repositories: tuple[RepositoryPattern, ...] = Field(
        description="Anchored patterns: * is any run of characters in one part, ** any number of parts.",
        min_length=1,
    )
    mode: Mode = Field(Mode.ENFORCE, description="enforce, or audit: record what would have been refused.")
    artifacts: bool | tuple[ArtifactName, ...] = Field(
        True,
        description="Whether artifacts that are not images are allowed, or which: helm-chart, wasm, sbom, other, or"
        " their media types.",
    )
    foreign_layers: bool = Field(False, description="Whether layers that live at other addresses are allowed.")
    redirect_blobs: bool = Field(
        True,
        description="Whether clients fetch blobs by themselves where the settings allow it; false: the gate sends all.",
    )
    tags: TagRules = Field(default_factory=TagRules)
    sbom: SbomRules = Field(default_factory=SbomRules)
    deny: Deny = Field(default_factory=Deny)
    require: Require = Field(default_factory=Require)
