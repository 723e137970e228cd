"""Bills of materials that the gate hands out with images."""

from pydantic import Field

from config.policy.model import Document
from config.vocabulary import SbomFormat


class SbomRules(Document):
    """Which bills of materials lie beside each image that is admitted."""

    attach: tuple[SbomFormat, ...] = Field(
        (), description="cyclonedx, spdx or both: the gate pushes them as referrers of the image. None if left out."
    )
