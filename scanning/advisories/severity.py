"""How bad an advisory is: one word from what its sources say.

1. Malicious packages (`MAL-`) are critical.
2. A distribution that calls its own package's problem `unimportant` or `negligible` is believed: low.
3. Otherwise the worst CVSS base score (v3 or v4), in the words of CVSS v4.0 section 6.
4. Otherwise the worst word (`database_specific.severity`, Ubuntu's priority, Debian's urgency).
5. Otherwise it is unrated, and policy decides what that counts as.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from cvss import CVSS3, CVSS4, CVSSError  # type: ignore[import-untyped]  # the library carries no types

from config.vocabulary import Severity
from scanning.advisories.osv import Advisory, Affected, Rating

_MAX_VECTOR = 512
_NO_MATTER = frozenset({"unimportant", "negligible"})
_WORDS: Mapping[str, Severity] = MappingProxyType(
    {
        "negligible": Severity.LOW,
        "unimportant": Severity.LOW,
        "low": Severity.LOW,
        "medium": Severity.MEDIUM,
        "moderate": Severity.MEDIUM,
        "high": Severity.HIGH,
        "important": Severity.HIGH,
        "critical": Severity.CRITICAL,
    }
)
_CLASSES = MappingProxyType({"CVSS_V3": CVSS3, "CVSS_V4": CVSS4})


def severity(advisory: Advisory, affected: Affected) -> Severity:
    """Rate what `advisory` says of one package; ratings of the package stand before those of the record."""
    if advisory.id.startswith("MAL-"):
        return Severity.CRITICAL
    ratings = (*affected.ratings, *advisory.ratings)
    words = [rating.score.lower() for rating in ratings if rating.system not in _CLASSES]
    if _NO_MATTER.intersection(words):
        return Severity.LOW
    scored = worst(_scored(affected.ratings)) or worst(_scored(advisory.ratings))
    return scored or worst(_WORDS[word] for word in words if word in _WORDS) or Severity.UNRATED


def worst(severities: Iterable[Severity]) -> Severity | None:
    """The worst of several; None of none."""
    return max(severities, key=lambda one: one.rank, default=None)


def _scored(ratings: Iterable[Rating]) -> list[Severity]:
    return [found for rating in ratings if (found := _score(rating)) is not None]


def _score(rating: Rating) -> Severity | None:
    kind = _CLASSES.get(rating.system)
    if kind is None or len(rating.score) > _MAX_VECTOR:
        return None
    try:
        score = float(kind(rating.score).base_score)
    except CVSSError:
        return None
    for threshold, word in ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM)):
        if score >= threshold:
            return word
    return Severity.LOW
