"""A verdict as text for a person: what was decided, what to do about it, and what it rests on.

`imagegate check`, `imagegate verdict show` and the gate's HTTP interface all print this.
"""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from config.vocabulary import Effect, Mode
from config.wording import counted
from scanning.advice import Action, Item, advise
from scanning.oci.manifest import ManifestKind
from scanning.rules.case import Case
from scanning.verdict import Outcome, Verdict
from storage.printable import printable

_HEADLINES = {
    Outcome.ADMIT: "ADMITTED",
    Outcome.QUARANTINE: "IN QUARANTINE: only those who may push can pull it",
    Outcome.REJECT: "REFUSED",
}
WIDEST = 110
_INDENT = "     "


@dataclass(frozen=True, slots=True)
class Explained:
    """A verdict, and what it was made of; None where that is not there any more: then less can be said."""

    verdict: Verdict
    case: Case | None = None

    @property
    def name(self) -> str:
        """What tells it from other images of an index."""
        facts = self.case.facts if self.case else None
        platform = str(facts.platform) if facts else ""
        return platform or f"{self.verdict.kind} {self.verdict.digest.short}"


@dataclass(frozen=True, slots=True)
class Basis:
    """What a verdict rests on: lines of a label and a text. `title` stands above them."""

    title: str
    lines: tuple[tuple[str, str], ...]


def report(parts: Sequence[Explained], basis: Basis, *, width: int = WIDEST, most: int | None = None) -> str:
    """The verdict of `parts[0]`, with those of the images that it lists behind it: several lines of at most `width`
    columns where words allow, printable whatever the image says. `most` bounds what is listed of one thing to do.
    """
    return "\n".join(printable(line) for line in _lines(parts, basis, min(width, WIDEST), most)) + "\n"


def headline(verdict: Verdict) -> str:
    """What was decided, in one line."""
    said = _HEADLINES[verdict.outcome]
    return f"{said} (audit mode: let through and recorded)" if verdict.mode is Mode.AUDIT else said


def headline_of_all(parts: Sequence[Explained]) -> str:
    """What was decided of `parts[0]`, whose images are the others, in one line."""
    said = headline(parts[0].verdict)
    some_refused = any(part.verdict.outcome is not Outcome.ADMIT for part in parts[1:])
    return f"{said}, but not all that it lists" if said == _HEADLINES[Outcome.ADMIT] and some_refused else said


def record_of(explained: Explained) -> Basis:
    """What a verdict on record was made of, by digest."""
    verdict = explained.verdict
    inputs = verdict.inputs
    lines = [
        ("verdict", f"{verdict.id}, {verdict.judged_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("seen", ", ".join(f"{name} {count}" for name, count in verdict.counts) or "nothing to inspect"),
        ("policy", str(inputs.policy)),
        ("advisories", str(inputs.snapshot or "none")),
        ("facts", str(inputs.facts or "none")),
        *(("waived", subject) for subject in verdict.waived),
    ]
    if explained.case is None:
        lines.append(("note", "not all that it was made of is kept any more, so there are no commands for upgrades"))
    return Basis("Made of", tuple(lines))


def _lines(parts: Sequence[Explained], basis: Basis, width: int, most: int | None) -> Iterator[str]:
    actions = [(part, action) for part in parts for action in advise(part.case, part.verdict)]
    to_do = [(part, action) for part, action in actions if action.effect is not Effect.WARN]
    remarks = [(part, action) for part, action in actions if action.effect is Effect.WARN]
    yield headline_of_all(parts)
    yield summary(parts[0].verdict, len(to_do), len(remarks))
    yield ""
    for part in parts:
        yield from _described(part, width)
    numbers = iter(range(1, len(actions) + 1))
    for title, listed in (("To do", to_do), ("Remarks, which refuse nothing", remarks)):
        if listed:
            yield ""
            yield title
        for part, action in listed:
            yield ""
            yield from _action(next(numbers), action, f" ({part.name})" if len(parts) > 1 else "", width, most)
    yield ""
    yield basis.title
    for label, text in basis.lines:
        yield from _wrapped(text, f"  {label:<12} ", width)


def summary(verdict: Verdict, to_do: int, remarks: int) -> str:
    """How much there is to do, in a sentence."""
    said = [f"{counted(to_do, 'thing')} to do"] if to_do else []
    said += [counted(remarks, "remark")] if remarks else []
    return f"{', '.join(said)}." if said else f"The {verdict.kind} keeps every rule."


def _described(part: Explained, width: int) -> Iterator[str]:
    verdict = part.verdict
    yield f"  {verdict.kind:<12} {verdict.repository}@{verdict.digest}"
    if verdict.tag:
        yield f"  {'under the tag':<12} {verdict.tag}"
    if said := contents(part):
        yield from _wrapped(said, " " * 15, width)
    if verdict.base:
        yield f"  {'base image':<12} {verdict.base}, approved"


def contents(part: Explained) -> str:
    """What an image is and how much was found in it; "" of anything else, and where that is not known any more."""
    facts = part.case.facts if part.case else None
    if facts is None or part.verdict.kind is not ManifestKind.IMAGE:
        return ""
    release = facts.distribution
    system = release.pretty_name or release.id if release else ""
    return ", ".join(each for each in (str(facts.platform), system, _counts(part.verdict)) if each)


def _counts(verdict: Verdict) -> str:
    counts = dict(verdict.counts)
    wanted = ("layers", "files", "packages", "tools", "secrets", "findings")
    return ", ".join(f"{name} {counts[name]}" for name in wanted if name in counts)


def _action(number: int, action: Action, where: str, width: int, most: int | None) -> Iterator[str]:
    yield from _wrapped(f"{action.title}{where} [{action.rule}: {action.effect}]", f"{f'{number}.':<3} ", width)
    for place, items in by_place(action.items[:most]):
        if place:
            yield from _wrapped(place, f"{_INDENT}in ", width)
        for text in in_rows(items):
            yield from _wrapped(text, f"{_INDENT}  - " if place else f"{_INDENT}- ", width)
    left_out = len(action.items[most:]) if most is not None else 0
    if left_out:
        yield f"{_INDENT}and {left_out} more, which --format json lists"
    for step in action.steps:
        yield from _wrapped(step, "  => ", width)


def in_rows(items: Iterable[Item]) -> Iterator[str]:
    """A line for each, and one for all that have the same row."""
    rows: dict[str, list[str]] = {}
    for item in items:
        if item.row:
            rows.setdefault(item.row, []).append(item.text)
        else:
            yield item.text
    for row, names in rows.items():
        yield f"{row}: {', '.join(names)}"


def by_place(items: Iterable[Item]) -> Iterator[tuple[str, list[Item]]]:
    """Items by where they are, in the order of the first of each."""
    found: dict[str, list[Item]] = {}
    for item in items:
        found.setdefault(item.place, []).append(item)
    yield from found.items()


def _wrapped(text: str, start: str, width: int) -> list[str]:
    return textwrap.wrap(
        printable(text),
        width,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_on_hyphens=False,
        break_long_words=False,
    ) or [start.rstrip()]
