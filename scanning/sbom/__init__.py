"""Bills of materials: what is in an image, in the two forms that others read."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from config.vocabulary import SbomFormat
from scanning.sbom import cyclonedx, spdx
from scanning.sbom.subject import Subject

__all__ = ["SbomFormat", "Subject", "file_name", "media_type", "write_sbom"]


_WRITERS: Mapping[SbomFormat, tuple[Callable[[Subject], bytes], str]] = MappingProxyType(
    {
        SbomFormat.CYCLONEDX: (cyclonedx.write, cyclonedx.MEDIA_TYPE),
        SbomFormat.SPDX: (spdx.write, spdx.MEDIA_TYPE),
    }
)


def write_sbom(subject: Subject, form: SbomFormat) -> bytes:
    """The bill of materials of one image, UTF-8 JSON. The same subject always gives the same bytes."""
    return _WRITERS[form][0](subject)


def media_type(form: SbomFormat) -> str:
    """The media type of a bill of materials of this form."""
    return _WRITERS[form][1]


def file_name(form: SbomFormat) -> str:
    """What a file of this form is called, by the conventions of both specifications."""
    return {SbomFormat.CYCLONEDX: "sbom.cdx.json", SbomFormat.SPDX: "sbom.spdx.json"}[form]
