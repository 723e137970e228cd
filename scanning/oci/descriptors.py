"""Reads descriptors (OCI image specification, descriptor.md)."""

import base64
import binascii
import re

from scanning.errors import InvalidJsonError
from scanning.oci.digest import Digest
from scanning.oci.fields import Fields, Schema
from scanning.oci.manifest import Descriptor, Platform

DESCRIPTOR = Schema("mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType")
_PLATFORM = Schema("architecture", "os", "os.version", "os.features", "variant", "features")

_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_MEDIA_TYPE = re.compile(f"{_NAME}/{_NAME}")
"""RFC 6838, section 4.2."""


def read_media_type(fields: Fields, name: str) -> str:
    """The media type in a field, "" if absent. Raises `InvalidJsonError` if it is none."""
    found = fields.text(name)
    if found and _MEDIA_TYPE.fullmatch(found) is None:
        raise InvalidJsonError(f"{fields.where}.{name} {found[:200]!a} is not a media type (RFC 6838)")
    return found


def read_descriptor(fields: Fields) -> Descriptor:
    """Read and check one descriptor. `urls` are kept and never followed: the policy decides (threat 44).

    Embedded `data` must be what digest and size say. Raises `InvalidJsonError` or `InvalidDigestError`.
    """
    media_type = read_media_type(fields, "mediaType")
    if not media_type:
        raise InvalidJsonError(f"{fields.where} lacks mediaType")
    digest = Digest.parse(fields.required_text("digest"))
    size = fields.integer("size")
    if size < 0:
        raise InvalidJsonError(f"{fields.where}.size is {size}; a blob cannot be smaller than empty")
    return Descriptor(
        media_type=media_type,
        digest=digest,
        size=size,
        annotations=fields.text_map("annotations"),
        artifact_type=read_media_type(fields, "artifactType"),
        platform=_read_platform(fields),
        urls=fields.texts("urls"),
        data=_read_data(fields, digest, size),
    )


def _read_platform(fields: Fields) -> Platform | None:
    platform = fields.optional_child("platform", _PLATFORM)
    if platform is None:
        return None
    return Platform(platform.text("os"), platform.text("architecture"), platform.text("variant"))


def _read_data(fields: Fields, digest: Digest, size: int) -> bytes | None:
    encoded = fields.text("data")
    if not encoded:
        return None
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidJsonError(f"{fields.where}.data is not base64: {error}") from error
    if len(data) != size or not digest.matches(data):
        raise InvalidJsonError(f"{fields.where}.data is not the content that its digest and size name")
    return data
