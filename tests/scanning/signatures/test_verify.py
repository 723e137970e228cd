"""A signature counts only if a trusted key made it, and only for what it signs."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from config.policy import Signer
from scanning.errors import InvalidSignatureError
from scanning.oci.digest import Digest
from scanning.signatures.dsse import MAX_SIGNATURES
from scanning.signatures.keys import load_key
from scanning.signatures.model import SignatureDocument, SignatureEvidence, SignatureFormat, SignatureReport
from scanning.signatures.verify import MAX_DOCUMENTS, verify
from tests.scanning.signatures.signing import (
    IMAGE,
    MANIFEST,
    OTHER,
    PrivateKey,
    bundle,
    bundle_text,
    envelope,
    message_signature,
    new_key,
    payload_of,
    pem,
    sign,
    signer,
    simple_signing,
    statement_of,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KEY = new_key()
STRANGER = new_key()
SIGNERS = {"release": signer(KEY)}


def check(
    *documents: SignatureDocument, signers: dict[str, Signer] | None = None, now: datetime = NOW
) -> SignatureReport:
    return verify(SignatureEvidence(documents), SIGNERS if signers is None else signers, now)


def reason(document: SignatureDocument, **more: Any) -> str:
    """Why `document` counts for nothing."""
    report = check(document, **more)
    assert report.verified == ()
    [failure] = report.failed
    assert failure.manifest == MANIFEST
    return failure.reason


def signed_statement(statement: Any, key: PrivateKey = KEY) -> SignatureDocument:
    return bundle(dsseEnvelope=envelope(key, statement))


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP521R1()),
        rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["P-256", "P-384", "P-521", "RSA", "Ed25519"],
)
def test_every_kind_of_key_verifies_every_format(key: PrivateKey) -> None:
    documents = (simple_signing(key, payload_of(IMAGE)), signed_statement(statement_of(IMAGE), key))
    report = check(*documents, signers={"release": signer(key)})
    assert report.failed == ()
    assert [verified.format for verified in report.verified] == [
        SignatureFormat.COSIGN_SIMPLE_SIGNING,
        SignatureFormat.SIGSTORE_BUNDLE,
    ]
    assert {verified.key for verified in report.verified} == {load_key(pem(key)).fingerprint}


def test_nothing_found_is_nothing_verified() -> None:
    assert check() == SignatureReport(NOW)


def test_without_signers_nothing_is_verified() -> None:
    assert reason(simple_signing(KEY, payload_of(IMAGE)), signers={}) == "none of the policy's signers made it"


@pytest.mark.parametrize(
    "document", [simple_signing(STRANGER, payload_of(IMAGE)), signed_statement(statement_of(IMAGE), STRANGER)]
)
def test_t57_a_signature_that_is_there_but_not_by_a_signer_counts_for_nothing(document: SignatureDocument) -> None:
    assert reason(document) == "none of the policy's signers made it"


@pytest.mark.parametrize("signature", ["", "AA==", "not base64!", "A" * 8192, "c2ln\n", "Zé=="])
def test_t57_a_signature_that_is_none_counts_for_nothing(signature: str) -> None:
    assert reason(replace(simple_signing(KEY, payload_of(IMAGE)), signature=signature))


def test_t57_a_signature_of_another_payload_counts_for_nothing() -> None:
    document = replace(
        simple_signing(KEY, payload_of(IMAGE)), signature=simple_signing(KEY, payload_of(OTHER)).signature
    )
    assert reason(document) == "none of the policy's signers made it"


def test_t57_a_document_whose_content_could_not_be_had_counts_for_nothing() -> None:
    assert reason(replace(simple_signing(KEY, payload_of(IMAGE)), problem="it is gone")) == "it is gone"


def test_t58_endless_documents_are_not_all_verified() -> None:
    report = check(*[simple_signing(KEY, payload_of(IMAGE))] * (MAX_DOCUMENTS + 3))
    assert len(report.verified) == MAX_DOCUMENTS
    assert [failure.reason for failure in report.failed] == [
        f"it is not among the first {MAX_DOCUMENTS}; no more are verified"
    ] * 3


def test_t58_endless_signatures_of_one_envelope_are_not_tried() -> None:
    many = envelope(KEY, statement_of(IMAGE))
    many["signatures"] *= MAX_SIGNATURES + 1
    assert reason(bundle(dsseEnvelope=many)) == (
        f"the envelope has {MAX_SIGNATURES + 1} signatures; it must have between 1 and {MAX_SIGNATURES}"
    )


@pytest.mark.parametrize("size", [64 * 1024, 1024 * 1024])
def test_t58_huge_payloads_are_refused(size: int) -> None:
    padded = {**payload_of(IMAGE), "optional": {"padding": "x" * size}}
    assert "bytes; at most" in reason(simple_signing(KEY, padded))
    assert "bytes; at most" in reason(bundle_text(" " * (1024 * 1024 + 1)))


@pytest.mark.parametrize("signed", [OTHER, "", "sha256:" + "0" * 63, IMAGE.hex, f"{IMAGE} ", str(IMAGE).upper()])
def test_t60_a_payload_that_signs_another_digest_counts_for_nothing(signed: Digest | str) -> None:
    assert f"not {IMAGE}, beside which it was found" in reason(simple_signing(KEY, payload_of(signed)))


def test_t60_a_statement_about_another_digest_counts_for_nothing() -> None:
    assert reason(signed_statement(statement_of(OTHER))) == (
        f"it signs something else than {IMAGE}, beside which it was found"
    )


def test_t60_a_digest_of_another_algorithm_is_another_digest() -> None:
    statement = {**statement_of(IMAGE), "subject": [{"digest": {"sha512": IMAGE.hex, "gitCommit": IMAGE.hex}}]}
    assert "it signs something else" in reason(signed_statement(statement))


def test_a_signature_of_an_index_counts_for_the_index_beside_which_it_was_found() -> None:
    index = Digest.of(b"index")
    report = check(simple_signing(KEY, payload_of(index), subject=index))
    assert [verified.subject for verified in report.verified] == [index]


def test_any_subject_of_a_statement_may_be_the_image() -> None:
    statement = statement_of(OTHER)
    statement["subject"].append({"name": "app", "digest": {"sha256": IMAGE.hex}})
    [verified] = check(signed_statement(statement)).verified
    assert verified.reference == "app"


@pytest.mark.parametrize("version", ["v0.1", "v1"])
def test_statements_of_both_versions_are_read(version: str) -> None:
    assert len(check(signed_statement(statement_of(IMAGE, version=version))).verified) == 1


@pytest.mark.parametrize("version", ["v2", "", "v0.1/"])
def test_statements_of_other_versions_are_not(version: str) -> None:
    assert "is of the type" in reason(signed_statement(statement_of(IMAGE, version=version)))


@pytest.mark.parametrize("predicate", ["https://spdx.dev/Document", "https://slsa.dev/provenance/v1", ""])
def test_t57_only_the_statement_that_says_signed_counts(predicate: str) -> None:
    assert "counts as a signature" in reason(signed_statement(statement_of(IMAGE, predicate)))


def logged(digest: Digest) -> list[dict[str, Any]]:
    """Entries of a transparency log about `digest`, as cosign puts them into a bundle."""
    body = {
        "apiVersion": "0.0.1",
        "kind": "hashedrekord",
        "spec": {"data": {"hash": {"algorithm": "sha256", "value": digest.hex}}},
    }
    return [
        {
            "logIndex": "1",
            "integratedTime": "1767225600",
            "inclusionPromise": {"signedEntryTimestamp": "AAAA"},
            "canonicalizedBody": base64.b64encode(json.dumps(body).encode()).decode(),
        }
    ]


def certificates(key: ec.EllipticCurvePrivateKey) -> list[dict[str, str]]:
    """A chain for `key`: its certificate is in force, that of the authority between it and the root has ended."""
    root, middle = new_key(), new_key()
    chain = []
    for subject, public, issuer, until in (
        ("leaf", key.public_key(), middle, NOW + timedelta(days=1)),
        ("middle", middle.public_key(), root, NOW - timedelta(days=1)),
    ):
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")]))
            .public_key(public)
            .serial_number(1)
            .not_valid_before(NOW - timedelta(days=100))
            .not_valid_after(until)
            .sign(issuer, hashes.SHA256())
        )
        chain.append({"rawBytes": base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()})
    return chain


@pytest.mark.parametrize("logs", [IMAGE, OTHER], ids=["this image", "another"])
def test_t59_an_entry_of_a_log_vouches_for_nothing_whatever_it_is_bound_to(logs: Digest) -> None:
    material = {"publicKey": {"hint": "anything"}, "tlogEntries": logged(logs)}
    by_a_stranger = bundle(verificationMaterial=material, messageSignature=message_signature(STRANGER, b"image"))
    assert reason(by_a_stranger) == "none of the policy's signers made it"
    of_another = bundle(verificationMaterial=material, dsseEnvelope=envelope(KEY, statement_of(OTHER)))
    assert reason(of_another) == f"it signs something else than {IMAGE}, beside which it was found"


@pytest.mark.parametrize("key", [KEY, STRANGER], ids=["of a signer", "of a stranger"])
def test_t62_a_certificate_vouches_for_nothing_whether_its_chain_is_in_force_or_not(
    key: ec.EllipticCurvePrivateKey,
) -> None:
    chain = certificates(key)
    for material in ({"certificate": chain[0]}, {"x509CertificateChain": {"certificates": chain}}):
        document = bundle(verificationMaterial=material, messageSignature=message_signature(key, b"image"))
        assert reason(document) == ("the bundle is signed with a certificate; only signatures with a key are verified")


@pytest.mark.parametrize("kind", ["", "atomic container signature", "cosign container image signature "])
def test_a_payload_that_signs_another_kind_of_thing_counts_for_nothing(kind: str) -> None:
    assert "it signs something else" in reason(simple_signing(KEY, payload_of(IMAGE, kind)))


def test_an_envelope_of_another_payload_type_is_refused_before_its_payload_is_read() -> None:
    document = bundle(dsseEnvelope=envelope(KEY, b"\xff not JSON", "application/vnd.example+json"))
    assert reason(document) == "the envelope carries 'application/vnd.example+json', not application/vnd.in-toto+json"


def test_the_payload_type_is_signed_along() -> None:
    dressed = {**envelope(KEY, statement_of(IMAGE), "text/plain"), "payloadType": "application/vnd.in-toto+json"}
    assert reason(bundle(dsseEnvelope=dressed)) == "none of the policy's signers made it"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"not JSON",
        b'{"critical": null}',
        b'{"critical": {"type": "cosign container image signature"}}',
        b'{"critical": 1, "critical": 2}',
        b"[" * 5_000,
        json.dumps(payload_of(IMAGE)).replace('"critical"', '"Critical"').encode(),
        json.dumps(payload_of(IMAGE)).encode() + b"{}",
    ],
)
def test_t63_a_signed_payload_that_cannot_be_read_counts_for_nothing(payload: bytes) -> None:
    assert reason(simple_signing(KEY, payload))


@pytest.mark.parametrize(
    "statement",
    [
        b"",
        b"null",
        b"not JSON",
        b"{}",
        b"\xff",
        {**statement_of(IMAGE), "subject": None},
        {**statement_of(IMAGE), "subject": [{"digest": {"sha256": 1}}]},
        {**statement_of(IMAGE), "subject": [*statement_of(IMAGE)["subject"], {"digest": "of another"}]},
        {**statement_of(IMAGE), "subject": statement_of(IMAGE)["subject"] * 65},
    ],
)
def test_t63_a_signed_statement_that_cannot_be_read_counts_for_nothing(statement: Any) -> None:
    assert reason(signed_statement(statement))


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "{}", "not JSON", '{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}', "[" * 5_000],
)
def test_t63_a_bundle_that_cannot_be_read_counts_for_nothing(text: str) -> None:
    assert reason(bundle_text(text))


def test_a_bundle_of_another_version_is_not_read() -> None:
    document = bundle(
        mediaType="application/vnd.dev.sigstore.bundle.v0.4+json", dsseEnvelope=envelope(KEY, statement_of(IMAGE))
    )
    assert "only application/vnd.dev.sigstore.bundle.v0.3+json is read" in reason(document)


def test_a_bundle_signed_with_a_certificate_is_not_verified_with_a_key() -> None:
    document = bundle(
        verificationMaterial={"certificate": {"rawBytes": ""}}, dsseEnvelope=envelope(KEY, statement_of(IMAGE))
    )
    assert reason(document) == "the bundle is signed with a certificate; only signatures with a key are verified"


def test_a_bundle_holds_one_content() -> None:
    both = bundle(dsseEnvelope=envelope(KEY, statement_of(IMAGE)), messageSignature=message_signature(KEY, b"image"))
    assert reason(both) == "the bundle must hold one of dsseEnvelope and messageSignature"
    assert reason(bundle()) == "the bundle must hold one of dsseEnvelope and messageSignature"


@pytest.mark.parametrize("key", [KEY, rsa.generate_private_key(65537, 2048)], ids=["P-256", "RSA"])
def test_a_signature_over_the_manifest_itself_counts(key: PrivateKey) -> None:
    report = check(bundle(messageSignature=message_signature(key, b"image")), signers={"release": signer(key)})
    assert [verified.subject for verified in report.verified] == [IMAGE]


def test_t60_a_signature_over_another_manifest_counts_for_nothing() -> None:
    document = bundle(messageSignature=message_signature(KEY, b"another image"))
    assert reason(document) == f"it signs {OTHER}, not {IMAGE}, beside which it was found"


def test_t60_the_digest_of_a_message_signature_is_what_is_verified() -> None:
    dressed = {
        **message_signature(KEY, b"another image"),
        "messageDigest": message_signature(KEY, b"image")["messageDigest"],
    }
    assert reason(bundle(messageSignature=dressed)) == "none of the policy's signers made it"


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()])
def test_a_key_that_hashes_otherwise_cannot_verify_a_digest(key: PrivateKey) -> None:
    document = bundle(messageSignature=message_signature(key, b"image"))
    assert reason(document, signers={"release": signer(key)}) == "none of the policy's signers made it"


@pytest.mark.parametrize(
    ("algorithm", "digest"), [("SHA1", "AA=="), ("SHA2_256", "AA=="), ("SHA2_512", "AA=="), ("SHA2_256", "!")]
)
def test_the_digest_of_a_message_signature_must_be_one(algorithm: str, digest: str) -> None:
    content = {**message_signature(KEY, b"image"), "messageDigest": {"algorithm": algorithm, "digest": digest}}
    assert reason(bundle(messageSignature=content))


def test_t61_a_key_past_its_end_counts_for_nobody() -> None:
    end = NOW + timedelta(seconds=1)
    document = simple_signing(KEY, payload_of(IMAGE))
    signers = {"release": signer(KEY, not_after=end)}
    assert len(check(document, signers=signers, now=NOW).verified) == 1
    assert reason(document, signers=signers, now=end) == (
        "the key that made it is no longer trusted: release (trusted until 2026-06-01 00:00:01+00:00)"
    )


def test_one_key_under_two_names_is_one_key() -> None:
    report = check(simple_signing(KEY, payload_of(IMAGE)), signers={"one": signer(KEY), "two": signer(KEY)})
    assert [verified.signer for verified in report.verified] == ["one", "two"]
    assert len({verified.key for verified in report.verified}) == 1


def test_one_envelope_can_carry_the_signatures_of_two_signers() -> None:
    document = envelope(KEY, statement_of(IMAGE))
    document["signatures"] += envelope(STRANGER, statement_of(IMAGE))["signatures"]
    report = check(bundle(dsseEnvelope=document), signers={"one": signer(KEY), "two": signer(STRANGER)})
    assert [verified.signer for verified in report.verified] == ["one", "two"]


def test_a_bad_signature_does_not_hide_a_good_one() -> None:
    report = check(bundle_text("junk"), simple_signing(KEY, payload_of(IMAGE)), bundle_text("[" * 9_999))
    assert len(report.verified) == 1
    assert len(report.failed) == 2


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256K1()),
        # A key that nobody should use is what this test is about.
        rsa.generate_private_key(65537, 1024),  # noqa: S505
    ],
    ids=["secp256k1", "RSA-1024"],
)
def test_weak_and_unknown_keys_are_refused(key: PrivateKey) -> None:
    with pytest.raises(InvalidSignatureError, match="the key must be ECDSA on P-256"):
        load_key(pem(key))


@pytest.mark.parametrize("text", ["", "key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidSignatureError, match="the key is not a public key in PEM form"):
        load_key(text)


@given(st.text(max_size=200), st.text(max_size=40), st.sampled_from(SignatureFormat))
def test_arbitrary_documents_never_raise_and_never_verify(payload: str, signature: str, form: SignatureFormat) -> None:
    report = check(SignatureDocument(form, MANIFEST, IMAGE, payload, signature))
    assert report.verified == ()
    assert len(report.failed) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_t63_whatever_a_trusted_key_signs_never_raises_and_never_verifies(content: Any) -> None:
    signed = json.dumps(content).encode()
    report = check(simple_signing(KEY, signed), bundle(dsseEnvelope=envelope(KEY, signed)))
    assert report.verified == ()
    assert len(report.failed) == 2


@given(st.sampled_from(["mediaType", "verificationMaterial", "dsseEnvelope", "messageSignature"]), JSON)
def test_t63_whatever_stands_in_a_field_of_a_bundle_never_raises(field: str, value: Any) -> None:
    content = {"dsseEnvelope": envelope(STRANGER, statement_of(IMAGE)), field: value}
    assert check(bundle(**content)).verified == ()


@given(st.data())
def test_no_changed_bit_of_a_payload_verifies(data: st.DataObject) -> None:
    good = simple_signing(KEY, payload_of(IMAGE))
    content = bytearray(good.payload.encode())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 6))
    assert check(replace(good, payload=content.decode())).verified == ()


def test_an_envelopes_payload_must_be_plain_base64() -> None:
    broken = {**envelope(KEY, statement_of(IMAGE)), "payload": base64.b64encode(b"{}").decode() + "\n"}
    assert "the envelope's payload is not base64" in reason(bundle(dsseEnvelope=broken))


def test_signatures_made_here_are_over_the_bytes_themselves() -> None:
    assert load_key(pem(KEY)).verifies(base64.b64decode(sign(KEY, b"message")), b"message")
