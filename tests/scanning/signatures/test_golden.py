"""What cosign really writes is found, and verified with the key that made it and with no other."""

import base64
import json
from datetime import UTC, datetime

import pytest

from scanning.oci.classify import DOCUMENT_HEAD, check_documents
from scanning.oci.manifest import ManifestKind
from scanning.signatures.keys import load_key
from scanning.signatures.model import SignatureFormat
from scanning.signatures.verify import verify
from tests.scanning.signatures import golden

NOW = datetime(2027, 1, 1, tzinfo=UTC)
KEYS = ["p256", "p384", "p521", "rsa2048"]
FORMATS = {
    "sig": (SignatureFormat.COSIGN_SIMPLE_SIGNING, "sig.payload.json"),
    "bundle": (SignatureFormat.SIGSTORE_BUNDLE, "bundle.json"),
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("key", KEYS)
def test_a_signature_made_by_cosign_is_verified_with_its_key(key: str, form: str) -> None:
    kind, blob = FORMATS[form]
    report = verify(golden.evidence(f"{key}.{form}", f"{key}.{blob}"), {"release": golden.signer(key)}, NOW)
    assert report.failed == ()
    [verified] = report.verified
    assert verified.signer == "release"
    assert verified.format is kind
    assert verified.subject == golden.IMAGE
    assert verified.manifest == golden.manifest(f"{key}.{form}").digest


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("key", KEYS)
def test_a_signature_made_by_cosign_is_not_verified_with_other_keys(key: str, form: str) -> None:
    others = {other: golden.signer(other) for other in (*KEYS, "ed25519ph") if other != key}
    report = verify(golden.evidence(f"{key}.{form}", f"{key}.{FORMATS[form][1]}"), others, NOW)
    assert report.verified == ()
    assert [failure.reason for failure in report.failed] == ["none of the policy's signers made it"]


@pytest.mark.parametrize("key", KEYS)
def test_the_fingerprint_of_a_key_is_the_one_that_cosign_hints_at(key: str) -> None:
    hint = json.loads(golden.content(f"{key}.bundle.json"))["verificationMaterial"]["publicKey"]["hint"]
    assert load_key(golden.signer(key).key).fingerprint == base64.b64decode(hint).hex()


def test_the_name_that_was_signed_along_is_recorded() -> None:
    report = verify(golden.evidence("p256.sig", "p256.sig.payload.json"), {"a": golden.signer("p256")}, NOW)
    assert report.verified[0].reference == "127.0.0.1:5871/legacy-cosign/app"


def test_two_keys_that_signed_one_payload_are_both_found() -> None:
    signers = {"build": golden.signer("p256"), "release": golden.signer("rsa2048")}
    report = verify(golden.evidence("both.sig", "both.sig.payload.json"), signers, NOW)
    assert [verified.signer for verified in report.verified] == ["build", "release"]
    assert len({verified.key for verified in report.verified}) == 2


def test_t57_an_attestation_about_an_image_is_no_signature_of_it() -> None:
    evidence = golden.evidence("p256.attestation", "p256.attestation.json")
    report = verify(evidence, {"release": golden.signer("p256")}, NOW)
    assert report.verified == ()
    [failure] = report.failed
    assert failure.reason == (
        "it attests 'https://cosign.sigstore.dev/attestation/v1';"
        " only https://sigstore.dev/cosign/sign/v1 counts as a signature"
    )


@pytest.mark.parametrize("form", FORMATS)
def test_prehashed_ed25519_signatures_are_not_verified(form: str) -> None:
    evidence = golden.evidence(f"ed25519ph.{form}", f"ed25519ph.{FORMATS[form][1]}")
    report = verify(evidence, {"release": golden.signer("ed25519ph")}, NOW)
    assert report.verified == ()
    assert len(report.failed) == 1


@pytest.mark.parametrize(
    "name", [*(f"{key}.{form}" for key in KEYS for form in FORMATS), "both.sig", "p256.attestation"]
)
def test_what_cosign_pushes_is_a_signature_and_nothing_that_could_be_unpacked(name: str) -> None:
    manifest = golden.manifest(name)
    assert manifest.kind is ManifestKind.SIGNATURE
    key, _, form = name.partition(".")
    blob = golden.content(f"{key}.sig.payload.json" if form == "sig" else f"{name}.json")
    heads = {layer.digest: blob[:DOCUMENT_HEAD] for layer in manifest.layers}
    assert manifest.config is not None
    check_documents(manifest, {manifest.config.digest: b"{}", **heads})
