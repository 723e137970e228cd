"""What may happen to tags."""

from typing import Literal

from pydantic import Field

from config.patterns import TagPattern
from config.policy.model import Document


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

    def is_immutable(self, tag: str) -> bool:
        """Whether `tag` must stay what it is."""
        return any(pattern.matches(tag) for pattern in self.immutable)
