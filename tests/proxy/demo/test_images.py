"""The demo's images and signatures are what the strict readers of the gate take them for."""

import base64
import gzip
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.policy import Signer
from proxy.clock import utc_now
from proxy.demo.contents import AGENT_PATH, BASE, DemoError, installed_package, old_jinja2, renamed_ssh
from proxy.demo.images import File, Image, build_image
from proxy.demo.signing import SigningKey
from scanning.oci import media_types
from scanning.oci.digest import Digest
from scanning.oci.manifest import Manifest, ManifestKind
from scanning.oci.names import Tag
from scanning.oci.read import check_descriptor_sizes, read_config, read_manifest
from scanning.signatures.discover import documents, signature_tag, signed_prefix
from scanning.signatures.model import SignatureEvidence, SignatureReport
from scanning.signatures.verify import verify


def read(image: Image) -> Manifest:
    """An image through the gate's strict reader, sizes checked."""
    manifest = read_manifest(image.manifest, image.media_type)
    check_descriptor_sizes(manifest, {digest: len(content) for digest, content in image.blobs.items()})
    assert {blob.digest for blob in manifest.blobs} == set(image.blobs)
    return manifest


def files_of(layer: bytes) -> dict[str, tuple[bytes, int]]:
    """The files of a gzip layer, with their modes."""
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer))) as archive:
        found = {}
        for member in archive:
            file = archive.extractfile(member)
            assert file is not None
            found[member.name] = file.read(), member.mode
        return found


def test_an_image_is_an_image_to_the_strict_reader() -> None:
    image = build_image(BASE, {"srv/app": File(b"#!/bin/sh\n", 0o755)})
    manifest = read(image)
    assert manifest.kind is ManifestKind.IMAGE
    assert manifest.digest == image.digest
    assert manifest.config is not None
    config = read_config(image.blobs[manifest.config.digest])
    layers = [image.blobs[layer.digest] for layer in manifest.layers]
    assert config.diff_ids == tuple(Digest.of(gzip.decompress(layer)) for layer in layers)
    assert files_of(layers[1]) == {"srv/app": (b"#!/bin/sh\n", 0o755)}


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,3}", fullmatch=True), st.binary(max_size=100)))
def test_the_same_files_make_the_same_image(contents: dict[str, bytes]) -> None:
    files = {path: File(content) for path, content in contents.items()}
    image = build_image(files)
    assert image == build_image(dict(reversed(files.items())))
    layer = image.blobs[read(image).layers[0].digest]
    assert {path: content for path, (content, _) in files_of(layer).items()} == contents


def test_an_installed_package_comes_with_its_metadata() -> None:
    content = installed_package("packaging")
    (metadata,) = (path for path in content.files if path.endswith(".dist-info/METADATA"))
    assert b"\nName: packaging\n" in content.files[metadata].content
    assert any(path.endswith("/packaging/version.py") for path in content.files)
    assert not any(path.endswith(".pyc") or ".." in path for path in content.files)


def test_a_package_that_is_not_installed_is_an_error_that_names_it() -> None:
    with pytest.raises(DemoError, match="no-such-package-here is not installed"):
        installed_package("no-such-package-here")


def test_without_an_ssh_client_a_stand_in_says_that_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    content = renamed_ssh()
    assert "stand-in" in content.origin
    assert b"A stand-in made by imagegate demo" in content.files[AGENT_PATH].content


def test_an_ssh_client_of_the_machine_is_copied_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = tmp_path / "ssh"
    own.write_bytes(b"\x7fELF and the rest")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    content = renamed_ssh()
    assert content.files[AGENT_PATH] == File(b"\x7fELF and the rest", 0o755)
    assert str(own) in content.origin


def left_in(folder: Path) -> list[Path]:
    """What lies in a folder."""
    return list(folder.iterdir())


async def test_offline_the_old_package_is_its_metadata_and_says_so(tmp_path: Path) -> None:
    content = await old_jinja2(tmp_path, fetch=False)
    assert "metadata only" in content.origin
    assert [path.rpartition("/")[2] for path in content.files] == ["METADATA"]
    assert left_in(tmp_path) == []


async def test_a_wheel_that_pip_cannot_fetch_is_replaced_by_its_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert "metadata only" in (await old_jinja2(tmp_path, fetch=True)).origin


def judged(signature: Image, image: Image, key: SigningKey) -> SignatureReport:
    """What the gate's own verification says of a signature found beside an image."""
    manifest = read(signature)
    assert manifest.kind is ManifestKind.SIGNATURE
    found = documents(manifest, image.digest, signature.blobs)
    return verify(SignatureEvidence(found), {"demo": Signer(key=key.public)}, utc_now())


def test_a_signature_verifies_with_the_key_that_made_it_and_no_other() -> None:
    image, key = build_image(BASE), SigningKey()
    signature = key.sign(image.digest, "127.0.0.1:5000/release/hello")
    (verified,) = judged(signature, image, key).verified
    assert (verified.signer, verified.subject) == ("demo", image.digest)
    assert judged(signature, image, SigningKey()).verified == ()


def test_a_signature_of_another_image_counts_for_nothing() -> None:
    image, other, key = build_image(BASE), build_image({"other": File(b"")}), SigningKey()
    assert judged(key.sign(other.digest, "somewhere/else"), image, key).verified == ()


def test_a_signature_lies_where_cosign_looks_for_it() -> None:
    image = build_image(BASE)
    tag = signature_tag(image.digest)
    assert tag == Tag(f"sha256-{image.digest.hex}.sig")
    assert signed_prefix(tag) == str(image.digest)
    manifest = read(SigningKey().sign(image.digest, "release/hello"))
    (layer,) = manifest.layers
    assert layer.media_type == media_types.COSIGN_SIMPLE_SIGNING
    assert len(base64.b64decode(layer.annotations["dev.cosignproject.cosign/signature"], validate=True)) > 60
