"""in-toto Statements, versions 0.1 and 1 (in-toto attestation framework)."""

from scanning.errors import InvalidSignatureError
from scanning.oci.digest import Digest
from scanning.oci.fields import Fields, Schema
from scanning.oci.strict_json import parse

MAX_SUBJECTS = 64
"""The most subjects of one statement that are looked at."""

_TYPES = frozenset({"https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"})
_STATEMENT = Schema("_type", "subject", "predicateType", "predicate")
_SUBJECT = Schema("name", "digest")


def check_statement(statement: bytes, predicate_type: str, digest: Digest, limit: int) -> str:
    """Check that a statement says `predicate_type` about `digest`; return the name it gives it, "" if none.

    Raises `InvalidContentError`.
    """
    what = "the signed statement"
    fields = Fields.of(parse(statement, what, limit), what, _STATEMENT)
    version = fields.text("_type")
    if version not in _TYPES:
        raise InvalidSignatureError(f"{what} is of the type {version[:80]!a}, not one of {', '.join(sorted(_TYPES))}")
    predicate = fields.text("predicateType")
    if predicate != predicate_type:
        raise InvalidSignatureError(f"it attests {predicate[:200]!a}; only {predicate_type} counts as a signature")
    subjects = fields.children("subject", _SUBJECT)
    if len(subjects) > MAX_SUBJECTS:
        raise InvalidSignatureError(f"{what} has {len(subjects)} subjects; at most {MAX_SUBJECTS} are read")
    # All of them are understood before one counts.
    named = [(subject.text_map("digest"), subject.text("name")) for subject in subjects]
    for digests, name in named:
        if digests.get(digest.algorithm) == digest.hex:
            return name
    raise InvalidSignatureError(f"it signs something else than {digest}, beside which it was found")
