"""Private keys in binary files, and stores that hold certificates alone."""

import datetime
import struct

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from scanning.facts import FileFinds, Secret
from scanning.files import key_stores
from tests.scanning.files.files import told
from tests.scanning.files.keys import EC_KEY

_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
_CERTIFICATE = (
    x509.CertificateBuilder()
    .subject_name(_NAME)
    .issuer_name(_NAME)
    .public_key(EC_KEY.public_key())
    .serial_number(1)
    .not_valid_before(datetime.datetime(2026, 1, 1))  # noqa: DTZ001 # certificates are in UTC anyway
    .not_valid_after(datetime.datetime(2036, 1, 1))  # noqa: DTZ001
    .sign(EC_KEY, SHA256())
)


def kinds(content: bytes) -> list[str]:
    """The kinds of secrets of a file, whether it comes at once or in pieces."""
    at_once, in_pieces = told("opt/app/data.bin", content), told("opt/app/data.bin", content, chunk=1000)
    assert at_once == in_pieces
    return [secret.kind for secret in at_once.secrets] if at_once else []


@pytest.mark.parametrize(
    "encryption", [NoEncryption(), BestAvailableEncryption(b"changeit")], ids=["plain", "encrypted"]
)
def test_pkcs12_with_a_key(encryption: NoEncryption | BestAvailableEncryption) -> None:
    store = pkcs12.serialize_key_and_certificates(b"me", EC_KEY, _CERTIFICATE, None, encryption)
    assert told("a/store", store) == FileFinds("a/store", secrets=(Secret("pkcs12-key-store", "a/store"),))
    assert kinds(store) == ["pkcs12-key-store"]


def test_pkcs12_of_certificates_alone() -> None:
    store = pkcs12.serialize_key_and_certificates(None, None, None, [_CERTIFICATE] * 10, NoEncryption())
    assert kinds(store) == []


@pytest.mark.parametrize(
    "key",
    [EC_KEY, rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()],
    ids=["EC", "RSA", "Ed25519"],
)
def test_keys_in_der(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> None:
    assert kinds(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())) == ["private-key"]


def test_a_certificate_in_der_is_none() -> None:
    assert kinds(_CERTIFICATE.public_bytes(Encoding.DER)) == []


def java_store(*tags: int, magic: int = 0xFEEDFEED) -> bytes:
    """A Java key store of entries with these tags: 1 is a private key, 2 a certificate."""
    entries = b""
    for tag in tags:
        content = struct.pack(">I", 100) + bytes(100)
        kind = struct.pack(">H5s", 5, b"X.509") if tag == 2 else b""
        entries += struct.pack(">IH2sQ", tag, 2, b"me", 0) + kind + content
    return struct.pack(">III", magic, 2, len(tags)) + entries + bytes(20)


@pytest.mark.parametrize("magic", [0xFEEDFEED, 0xCECECECE])
def test_java_s_key_stores(magic: int) -> None:
    assert kinds(java_store(1, magic=magic)) == ["java-key-store"]
    assert kinds(java_store(2, 2, 1, magic=magic)) == ["java-key-store"]
    assert kinds(java_store(2, 2, 2, magic=magic)) == []
    assert kinds(java_store(magic=magic)) == []


def test_a_keepass_database() -> None:
    assert kinds(b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5" + bytes(200)) == ["keepass-database"]


@given(st.sampled_from([b"\x30", b"\x30\x82\x01\x00\x02\x01\x03\x30", b"\xfe\xed\xfe\xed\0\0\0\2"]), st.binary())
def test_any_bytes_can_be_read(start: bytes, rest: bytes) -> None:
    key_stores.may_hold_keys(start + rest)
    key_stores.kind_of(start + rest)
