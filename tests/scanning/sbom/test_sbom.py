"""Bills of materials, read by the libraries of those who define them."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import example, given
from hypothesis import strategies as st
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from scanning.facts import ImageFacts, OsRelease, Package
from scanning.oci.digest import Digest
from scanning.oci.manifest import Platform
from scanning.oci.names import Repository
from scanning.packages.purl import purl
from scanning.sbom import SbomFormat, Subject, media_type, write_sbom

DEBIAN = OsRelease("debian", "12", pretty_name="Debian GNU/Linux 12 (bookworm)")
MANIFEST = Digest.of(b"manifest")
LAYER = Digest.of(b"layer")


def package(kind: str, name: str, version: str, *licences: str, path: str = "var/lib/dpkg/status") -> Package:
    found = Package(kind, name, version, name, version, path, licences=licences, layer=LAYER)
    return replace(found, purl=purl(found, DEBIAN))


def subject(*packages: Package, distribution: OsRelease | None = DEBIAN) -> Subject:
    facts = ImageFacts(
        manifest=MANIFEST,
        config=Digest.of(b"config"),
        platform=Platform("linux", "amd64"),
        layers=(LAYER,),
        diff_ids=(LAYER,),
        user="app",
        runs_as_root=False,
        distribution=distribution,
        packages=packages,
    )
    return Subject(Repository("team/app"), facts, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


SEVERAL = subject(
    replace(package("deb", "libssl3", "3.0.20-1"), source_name="openssl"),
    package("pypi", "jinja2", "2.10", "BSD-3-Clause", path="app/jinja2-2.10.dist-info/METADATA"),
    package("pypi", "jinja2", "2.10", "BSD", path="venv/jinja2-2.10.dist-info/METADATA"),
    package("npm", "@scope/name", "1.0.0", "(MIT OR Apache-2.0)", path="node_modules/@scope/name/package.json"),
    package("gem", "nokogiri", "1.15.4", "MIT", "Apache-2.0", path="specifications/nokogiri.gemspec"),
    package("npm", "nameless", "", "SEE LICENSE IN x", path="node_modules/nameless/package.json"),
)


def check_cyclonedx(document: bytes) -> None:
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(document.decode())
    assert problem is None, problem


def check_spdx(document: bytes, folder: Path) -> None:
    file = folder / "image.spdx.json"
    file.write_bytes(document)
    problems = validate_full_spdx_document(parse_file(str(file)), "SPDX-2.3")
    assert problems == []


def test_cyclonedx_fits_its_schema_and_names_every_package() -> None:
    document = write_sbom(SEVERAL, SbomFormat.CYCLONEDX)
    check_cyclonedx(document)
    read = json.loads(document)
    assert read["specVersion"] == "1.6"
    assert read["metadata"]["component"]["version"] == str(MANIFEST)
    libraries = [one for one in read["components"] if one["type"] == "library"]
    assert sorted(one["purl"] for one in libraries) == sorted(one.purl for one in SEVERAL.facts.packages)
    assert len({one["bom-ref"] for one in libraries}) == len(libraries)
    (system,) = (one for one in read["components"] if one["type"] == "operating-system")
    assert (system["name"], system["version"]) == ("debian", "12")


def test_spdx_is_valid_and_names_every_package(tmp_path: Path) -> None:
    document = write_sbom(SEVERAL, SbomFormat.SPDX)
    check_spdx(document, tmp_path)
    read = json.loads(document)
    purls = [one["externalRefs"][0]["referenceLocator"] for one in read["packages"][1:]]
    assert sorted(purls) == sorted(one.purl for one in SEVERAL.facts.packages)
    declared = {one["name"]: one["licenseDeclared"] for one in read["packages"]}
    assert declared["@scope/name"] == "MIT OR Apache-2.0"
    assert declared["nokogiri"] == "(MIT) AND (Apache-2.0)"
    assert declared["nameless"] == "NOASSERTION"
    assert {one["relationshipType"] for one in read["relationships"]} == {"DESCRIBES", "CONTAINS"}


@pytest.mark.parametrize("form", SbomFormat)
def test_the_same_image_gives_the_same_bytes_whatever_the_order_of_its_packages(form: SbomFormat) -> None:
    turned = replace(SEVERAL, facts=replace(SEVERAL.facts, packages=SEVERAL.facts.packages[::-1]))
    assert write_sbom(turned, form) == write_sbom(SEVERAL, form)
    assert write_sbom(subject(), form) != write_sbom(SEVERAL, form)
    assert json.loads(write_sbom(SEVERAL, form))
    assert media_type(form).endswith("+json")


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)


@example(licences=["()MIT", "( OR MIT"], name="a")
@given(licences=st.lists(_TEXT, max_size=3), name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,10}", fullmatch=True))
def test_whatever_a_package_says_of_its_licence_the_document_is_valid(licences: list[str], name: str) -> None:
    odd = subject(package("pypi", name, "1", *licences), distribution=None)
    check_cyclonedx(write_sbom(odd, SbomFormat.CYCLONEDX))
    assert json.load(io.BytesIO(write_sbom(odd, SbomFormat.SPDX)))["packages"][1]["name"] == name
