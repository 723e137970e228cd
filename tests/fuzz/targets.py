"""What is fuzzed. A target takes any bytes; what it raises is a bug.

Of each target this must hold: only errors of the project's own family come out of what it calls, and are caught here;
what is read can be written and read again; nothing takes long or much memory (the runner ends what does).
"""

import gzip
import io
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress

from config.versions import ORDERED_ECOSYSTEMS, InvalidVersionError, compare
from scanning.advisories import osv
from scanning.advisories.severity import severity
from scanning.artifacts import could_be_unpacked
from scanning.documents import decode, encode
from scanning.errors import InvalidContentError
from scanning.facts import LayerFacts
from scanning.licences import allows, names, permitted
from scanning.oci import media_types
from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor
from scanning.oci.read import read_config, read_manifest
from scanning.oci.referrers import entries_of
from scanning.sbom.licences import declared
from scanning.sbom.read import read_sbom
from scanning.signatures import discover
from scanning.signatures.bundle import read_bundle
from scanning.signatures.cosign import read_simple_signing
from scanning.signatures.model import SignatureDocument, SignatureEvidence
from scanning.signatures.signed import Signed
from scanning.signatures.verify import verify
from tests.fuzz import advisories, documents, dotnet, installed, programs, rpm, signed, tables, tar, zips
from tests.fuzz.reading import NOW, SUBJECT, check_image, manifest_of, read_file, read_layer

FILES = (
    *("var/lib/dpkg/status", "var/lib/dpkg/status.d/a", "var/lib/dpkg/info/a.list", "var/lib/dpkg/info/a.md5sums"),
    *("var/lib/dpkg/diversions", "lib/apk/db/installed", "var/lib/rpm/Packages", "var/lib/rpm/Packages.db"),
    *("var/lib/rpm/rpmdb.sqlite", "var/lib/pacman/local/a-1-1/desc", "var/lib/pacman/local/a-1-1/mtree"),
    *(
        "var/db/pkg/app/a-1/CONTENTS",
        "var/db/pkg/app/a-1/LICENSE",
        "usr/lib/python3/dist-packages/a.dist-info/METADATA",
    ),
    *("usr/lib/python3/dist-packages/a.dist-info/RECORD", "usr/lib/python3/dist-packages/a.egg-info"),
    *(
        "srv/node_modules/a/package.json",
        "usr/lib/ruby/specifications/a-1.gemspec",
        "srv/vendor/composer/installed.json",
    ),
    *("app/a.deps.json", "opt/conda/conda-meta/a-1-0.json", "usr/lib/R/library/a/DESCRIPTION", "app/a-1.jar"),
    *("usr/lib/lua/rocks/a/1-1/a-1-1.rockspec", "srv/conaninfo.txt", "srv/wp-content/plugins/a/a.php"),
    *("usr/lib/jvm/java-17/release", "opt/bitnami/a/.spdx-a.spdx", "etc/passwd", "etc/shadow", "etc/os-release"),
    *("usr/share/doc/a/copyright", "etc/a.conf", "root/.ssh/id_rsa", "srv/a.p12", "usr/bin/a", "bin/busybox"),
    *("usr/share/php/.registry/a.reg", "lib/modules/6.1/a.ko", "boot/vmlinuz", "app/a.dll"),
)
"""Names under which a file's content is read in different ways."""


def layer(data: bytes) -> None:
    """A blob that calls itself a layer: compression, archive, files. How it is cut changes nothing, but for which of
    several reasons to refuse it is met first.
    """
    could_be_unpacked(data, is_whole=True)
    whole = read_layer(data, len(data) or 1)
    pieces = read_layer(data, max(1 + len(data) % 97, len(data) // 8))
    assert whole == pieces or (isinstance(whole, str) and isinstance(pieces, str)), (whole, pieces)
    if isinstance(whole, LayerFacts):
        check_image(whole)


def archive(data: bytes) -> None:
    """An archive in which the checksum of each header is right."""
    layer(tar.with_checksums(data))


def overlay(data: bytes) -> None:
    """Layers of a few names, so that they meet: an image comes of them, or a refusal, and no error."""
    facts = [read_layer(blob, len(blob)) for blob in tar.layers_of_few_names(data)]
    check_image(*(one for one in facts if isinstance(one, LayerFacts)))


def file(data: bytes) -> None:
    """One file of a layer: the first byte chooses its name, by which it is read."""
    name = FILES[data[0] % len(FILES)] if data else FILES[0]
    read_file(name, data[1:])


def program(data: bytes) -> None:
    """An executable, whatever it says of itself."""
    read_file("usr/local/bin/app", b"\x7fELF" + data, 1 + len(data) // 3)


def jar(data: bytes) -> None:
    """A Java archive whose parts are arbitrary, the frame around them right; in it, the same again."""
    manifest, properties, model = [*data.split(b"\xff\xfe", 2), b"", b""][:3]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("META-INF/MANIFEST.MF", manifest)
        packed.writestr("META-INF/maven/g/a/pom.properties", properties)
        packed.writestr("META-INF/maven/g/a/pom.xml", model)
        packed.writestr("lib/inner.jar", data)
    read_file("app/a-1.jar", buffer.getvalue())


def mtree(data: bytes) -> None:
    """What pacman notes of the files of a package, packed as it does."""
    file(bytes([FILES.index("var/lib/pacman/local/a-1-1/mtree")]) + gzip.compress(data, 1, mtime=0))


def manifest(data: bytes) -> None:
    """A manifest, an index, a configuration, or a list of referrers."""
    for media_type in media_types.ACCEPT_MANIFESTS:
        with suppress(InvalidContentError):
            read = read_manifest(data, media_type)
            assert read.digest == Digest.of(data)
    with suppress(InvalidContentError):
        read_config(data)
    with suppress(InvalidContentError):
        entries_of(data)


def signature(data: bytes) -> None:
    """A signature: fetched, taken apart, its claim read as if a trusted key had made it."""
    text, _, annotation = data.partition(b"\0")
    for media_type in (media_types.COSIGN_SIMPLE_SIGNING, media_types.SIGSTORE_BUNDLE):
        annotations = {"dev.cosignproject.cosign/signature": annotation.decode("utf-8", "replace")}
        blob = Descriptor(media_type, Digest.of(text), len(text), annotations)
        found = discover.documents(manifest_of(blob), SUBJECT, {blob.digest: text})
        report = verify(SignatureEvidence(found), {}, NOW)
        assert not report.verified
        for document in found:
            _check_claim(document)


def _check_claim(document: SignatureDocument) -> None:
    readers: tuple[Callable[[], Signed], ...] = (
        lambda: read_simple_signing(document.payload, document.signature),
        lambda: read_bundle(document.payload),
    )
    for take_apart in readers:
        with suppress(InvalidContentError):
            take_apart().check(SUBJECT)
    encode(SignatureEvidence((document,)))


def advisory(data: bytes) -> None:
    """A record of an advisory feed, or a bill of materials that an admin approves."""
    with suppress(InvalidContentError):
        record = osv.parse(data)
        assert decode(osv.Advisory, encode(record)) == record
        for affected in record.affected:
            severity(record, affected)
    with suppress(InvalidContentError):
        read_sbom(data)


def licence(data: bytes) -> None:
    """What packages say of their licences: a policy can be asked about it, and a bill of materials be written."""
    told = data.decode("utf-8", "replace").split("\n")
    permitted(told, allows((), unknown=True))
    assert names(told)
    declared(told)


def versions(data: bytes) -> None:
    """Two versions: every order has one answer for them, and the opposite one for them swapped, or refuses both."""
    one, _, other = data.decode("utf-8", "replace").partition("\n")
    for ecosystem in ORDERED_ECOSYSTEMS:
        assert _compared(ecosystem, one, other) == -_compared(ecosystem, other, one), ecosystem


def _compared(ecosystem: str, one: str, other: str) -> int:
    try:
        order = compare(ecosystem, one, other)
    except InvalidVersionError:
        return 0
    return (order > 0) - (order < 0)


_Target = Callable[[bytes], None]

FORGED: Mapping[str, _Target] = {
    target.__name__: target
    for target in (
        *(tables.contents, rpm.rpm_header, rpm.rpm_database, dotnet.dotnet, zips.zip_directory, programs.built),
        *(installed.installed, documents.forged_manifest, documents.forged_config, signed.signed),
        advisories.forged_advisory,
    )
}
"""Those whose first byte chooses something that is right, and the others how it is changed (`tests.fuzz.forge`)."""

TARGETS: Mapping[str, _Target] = {
    **{
        target.__name__: target
        for target in (
            *(layer, archive, overlay, file, program, jar, mtree),
            *(manifest, signature, advisory, licence, versions),
        )
    },
    **FORGED,
}
