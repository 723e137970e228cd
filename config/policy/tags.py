"""What may happen to tags."""

from typing import Literal

from pydantic import Field

from config.patterns import PurlPattern, TagPattern
from config.policy.model import Document
from config.vocabulary import Effect


class TagDowngrade(Document):
    """Refuse to give a tag an image with older packages than it has had."""

    allow: tuple[PurlPattern, ...] = Field(
        (), description="Packages that may go back to older versions, such as pkg:deb/debian/tzdata."
    )
    effect: Literal[Effect.REJECT, Effect.WARN] = Field(
        Effect.REJECT, description="What an older package does: reject or warn."
    )


class TagRules(Document):
    """What may happen to tags, and what they mean to whom."""

    immutable: tuple[TagPattern, ...] = Field(
        (), description="Tags that, once they are there, are neither moved nor deleted: v*, where * is any characters."
    )
    serve: Literal["newest", "last-admitted"] = Field(
        "newest",
        description="What a tag means to those who may only pull: what it was last set to, or the last of it that the"
        " policy still admits.",
    )
    downgrade: TagDowngrade | None = Field(
        None, description="What happens to a tag whose packages go back to older versions than it has had."
    )

    def is_immutable(self, tag: str) -> bool:
        """Whether `tag` must stay what it is."""
        return any(pattern.matches(tag) for pattern in self.immutable)
