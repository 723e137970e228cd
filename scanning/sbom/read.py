"""Bills of materials that others wrote, read for the packages they list: CycloneDX and SPDX, both JSON."""

from collections.abc import Iterator
from dataclasses import dataclass

from packageurl import PackageURL

from scanning.approvals import plain
from scanning.errors import InvalidContentError
from scanning.oci.strict_json import JsonValue, parse

MAX_BYTES = 32 << 20
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class ListedPackages:
    """The purls of a bill of materials, sorted, without what only says where a package runs; and how many of its
    entries name no package and version by a purl.
    """

    purls: tuple[str, ...]
    unnamed: int


def read_sbom(document: bytes) -> ListedPackages:
    """The packages that a bill of materials lists.

    Raises `InvalidContentError` if it is neither CycloneDX (`components`) nor SPDX 2 (`packages`) in JSON.
    """
    read = parse(document, "the bill of materials", MAX_BYTES)
    if isinstance(read, dict) and read.get("bomFormat") == "CycloneDX":
        found = list(_components(read.get("components"), _DEEPEST))
    elif isinstance(read, dict) and str(read.get("spdxVersion", "")).startswith("SPDX-2"):
        found = [_reference(package) for package in _objects(read.get("packages"))]
    else:
        raise InvalidContentError("it is no bill of materials that is known: write CycloneDX or SPDX 2.3 as JSON")
    purls = [_canonical(purl) for purl in found]
    return ListedPackages(tuple(sorted({purl for purl in purls if purl})), purls.count(""))


def _components(listed: JsonValue, depth: int) -> Iterator[str]:
    """CycloneDX 1.6, `components`: files and the operating system are no packages."""
    for component in _objects(listed):
        if component.get("type") not in ("file", "operating-system"):
            yield str(component.get("purl") or "")
        if depth:
            yield from _components(component.get("components"), depth - 1)


def _reference(package: dict[str, JsonValue]) -> str:
    """SPDX 2.3, 7.21: external references of the type purl. An image that holds the others has one, too."""
    references = _objects(package.get("externalRefs"))
    return next((str(one.get("referenceLocator")) for one in references if one.get("referenceType") == "purl"), "")


def _objects(listed: JsonValue) -> list[dict[str, JsonValue]]:
    if listed is None:
        return []
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise InvalidContentError("the bill of materials lists something that is no object where packages are listed")
    return [one for one in listed if isinstance(one, dict)]


def _canonical(purl: str) -> str:
    """`purl` as the gate writes it; "" if it names no version of a package."""
    try:
        parsed = PackageURL.from_string(purl)
    except ValueError:
        return ""
    return plain(parsed.to_string()) if parsed.version and parsed.type not in ("oci", "docker") else ""
