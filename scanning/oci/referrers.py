"""Lists of what refers to a manifest (OCI distribution specification, "Listing Referrers", "Referrers Tag Schema")."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scanning.errors import InvalidManifestError
from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor, Manifest
from scanning.oci.media_types import OCI_INDEX
from scanning.oci.names import Tag


def referrers_tag(subject: Digest) -> Tag:
    """The tag that lists the referrers of `subject` where a registry has no API for them."""
    return Tag(f"{subject.algorithm[:32]}-{subject.hex[:64]}")


def as_referrer(manifest: Manifest) -> Descriptor:
    """How a manifest is listed: with its annotations, and its artifact type, else its configuration's media type."""
    return Descriptor(
        media_type=manifest.media_type,
        digest=manifest.digest,
        size=manifest.size,
        annotations=manifest.annotations,
        artifact_type=manifest.artifact_type or (manifest.config.media_type if manifest.config else ""),
    )


def referrers_list(referrers: Iterable[Descriptor]) -> bytes:
    """An index of `referrers`."""
    return _written([_entry(referrer) for referrer in referrers])


def with_referrer(listed: bytes | None, referrer: Descriptor) -> bytes | None:
    """The index `listed`, if there is one, with `referrer` in it; None if it is in it already.

    What others wrote into it stays. Raises `InvalidManifestError` if it is no index.
    """
    entries = entries_of(listed) if listed is not None else []
    if any(entry.get("digest") == str(referrer.digest) for entry in entries):
        return None
    return _written([*entries, _entry(referrer)])


def without_referrers(listed: bytes, gone: Iterable[Digest]) -> bytes | None:
    """The index `listed` without those; None if it has none of them. Raises `InvalidManifestError` if it is none."""
    entries = entries_of(listed)
    names = {str(digest) for digest in gone}
    kept = [entry for entry in entries if entry.get("digest") not in names]
    return None if len(kept) == len(entries) else _written(kept)


def entries_of(listed: bytes) -> list[dict[str, Any]]:
    """The descriptors in an index as they are written there. Raises `InvalidManifestError` if it is no index."""
    try:
        document = json.loads(listed)
    except (ValueError, RecursionError) as error:
        raise InvalidManifestError("the list of referrers is not JSON") from error
    entries = document.get("manifests") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InvalidManifestError("the list of referrers is not an index")
    return entries


def _entry(referrer: Descriptor) -> dict[str, Any]:
    written: dict[str, Any] = {
        "mediaType": referrer.media_type,
        "digest": str(referrer.digest),
        "size": referrer.size,
    }
    if referrer.artifact_type:
        written["artifactType"] = referrer.artifact_type
    if referrer.annotations:
        written["annotations"] = dict(referrer.annotations)
    return written


def _written(entries: Sequence[Mapping[str, Any]]) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
