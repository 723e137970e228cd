"""Private keys in binary files: PKCS #12 and Java's key stores, keys in DER, KeePass's databases.

A store of certificates alone (`cacerts`, in either format) is no finding.
"""

from scanning.layers.limits import MIB

MAX_BYTES = 1 * MIB
"""How much of one store is read. A store of keys has some kilobytes."""

_SEQUENCE = 0x30
_KEY_BAGS = (
    b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x01",  # keyBag of RFC 7292
    b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x02",  # pkcs8ShroudedKeyBag
)
_VERSION_3 = b"\x02\x01\x03\x30"
_VERSION_0 = b"\x02\x01\x00"
_KEY_ALGORITHMS = (
    b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01",  # rsaEncryption
    b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01",  # id-ecPublicKey
    b"\x06\x03\x2b\x65\x70",  # Ed25519
)
_JAVA = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")  # JKS and JCEKS
_CERTIFICATE = 2
_KEEPASS = b"\x03\xd9\xa2\x9a"
BEGINNINGS = (*_JAVA, _KEEPASS, bytes([_SEQUENCE]))
"""How every store begins."""


def may_hold_keys(head: bytes | memoryview) -> bool:
    """Whether a file that begins with `head` may be a store: worth to be read with `kind_of`."""
    start = bytes(head[:16])
    if start.startswith((*_JAVA, _KEEPASS)):
        return True
    body = _body(start)
    return body is not None and start[body:].startswith((_VERSION_3, _VERSION_0))


def kind_of(content: bytes | bytearray) -> str:
    """What private keys the store of this content holds, "" if none."""
    content = bytes(content)
    if content.startswith(_KEEPASS):
        return "keepass-database"
    if content.startswith(_JAVA):
        return "java-key-store" if _java_store_has_key(content) else ""
    body = _body(content)
    if body is None:
        return ""
    if content.startswith(_VERSION_3, body):
        return "pkcs12-key-store" if any(bag in content for bag in _KEY_BAGS) else ""
    if content.startswith(_VERSION_0, body):
        return "private-key" if any(name in content[body : body + 32] for name in _KEY_ALGORITHMS) else ""
    return ""


def _body(content: bytes) -> int | None:
    """Where the content of an ASN.1 sequence begins, None if this is none."""
    if len(content) < 2 or content[0] != _SEQUENCE:
        return None
    length = content[1]
    return 2 if length <= 0x80 else 2 + (length & 0x7F)


def _java_store_has_key(content: bytes) -> bool:
    """Whether an entry is anything but a trusted certificate. What cannot be followed counts as a key."""
    version, count = (int.from_bytes(content[at : at + 4], "big") for at in (4, 8))
    if version not in (1, 2):
        return False
    place = 12
    for _ in range(count):
        tag = int.from_bytes(content[place : place + 4], "big")
        if tag != _CERTIFICATE:
            return place < len(content)
        place += 4
        place += 2 + int.from_bytes(content[place : place + 2], "big") + 8  # the alias, the date
        if version == 2:
            place += 2 + int.from_bytes(content[place : place + 2], "big")  # the kind of certificate
        place += 4 + int.from_bytes(content[place : place + 4], "big")
    return False
