"""What `imagegate check` prints for people: the answer, then what to do about it, then what it rests on."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from config.vocabulary import Effect
from proxy.gate.judgement import Judgement
from proxy.gate.report import headline
from scanning.advice import Action, Item, advise
from scanning.oci.manifest import ManifestKind
from storage.printable import printable

_WIDEST = 110
_MOST_ITEMS = 20
_INDENT = "     "


def check_report(judgement: Judgement, notes: Sequence[str], width: int) -> str:
    """All of it, several lines of at most `width` columns where words allow; printable whatever the image says.

    `notes` are sentences about what was not asked.
    """
    width = min(width, _WIDEST)
    return "\n".join(printable(line) for line in _lines(judgement, notes, width)) + "\n"


def _lines(judgement: Judgement, notes: Sequence[str], width: int) -> Iterator[str]:
    parts = list(_parts(judgement))
    actions = [(part, action) for part in parts for action in advise(part.case, part.verdict)]
    to_do = [(part, action) for part, action in actions if action.effect is not Effect.WARN]
    remarks = [(part, action) for part, action in actions if action.effect is Effect.WARN]
    yield headline(judgement.verdict)
    yield _summary(judgement, len(to_do), len(remarks))
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
            yield from _action(next(numbers), action, part if len(parts) > 1 else None, width)
    yield ""
    yield from _basis(judgement, notes, width)


def _parts(judgement: Judgement) -> Iterator[Judgement]:
    """Itself, and every image that an index lists."""
    yield judgement
    for child in judgement.children:
        if child.verdict.runnable:
            yield from _parts(child)


def _summary(judgement: Judgement, to_do: int, remarks: int) -> str:
    said = [f"{to_do} {'thing' if to_do == 1 else 'things'} to do"] if to_do else []
    said += [f"{remarks} {'remark' if remarks == 1 else 'remarks'}"] if remarks else []
    return f"{', '.join(said)}." if said else f"The {judgement.verdict.kind} keeps every rule."


def _described(judgement: Judgement, width: int) -> Iterator[str]:
    verdict, facts = judgement.verdict, judgement.case.facts
    yield f"  {verdict.kind:<12} {verdict.repository}@{verdict.digest}"
    if facts is not None and verdict.kind is ManifestKind.IMAGE:
        release = facts.distribution
        system = release.pretty_name or release.id if release else ""
        said = ", ".join(part for part in (str(facts.platform), system, _counts(judgement)) if part)
        yield from _wrapped(said, " " * 15, width)
    if verdict.base:
        yield f"  {'base image':<12} {verdict.base}, approved"


def _counts(judgement: Judgement) -> str:
    counts = dict(judgement.verdict.counts)
    wanted = ("layers", "files", "packages", "tools", "secrets", "findings")
    return ", ".join(f"{name} {counts[name]}" for name in wanted if name in counts)


def _action(number: int, action: Action, of: Judgement | None, width: int) -> Iterator[str]:
    where = f" ({of.case.facts.platform if of.case.facts else of.verdict.kind})" if of else ""
    yield from _wrapped(f"{action.title}{where} [{action.rule}: {action.effect}]", f"{f'{number}.':<3} ", width)
    for place, items in _by_place(action.items[:_MOST_ITEMS]):
        if place:
            yield from _wrapped(place, f"{_INDENT}in ", width)
        for item in items:
            yield from _wrapped(item.text, f"{_INDENT}  - " if place else f"{_INDENT}- ", width)
    left_out = len(action.items) - _MOST_ITEMS
    if left_out > 0:
        yield f"{_INDENT}and {left_out} more, which --format json lists"
    for step in action.steps:
        yield from _wrapped(step, "  => ", width)


def _by_place(items: Iterable[Item]) -> Iterator[tuple[str, list[Item]]]:
    found: dict[str, list[Item]] = {}
    for item in items:
        found.setdefault(item.place, []).append(item)
    yield from found.items()


def _basis(judgement: Judgement, notes: Sequence[str], width: int) -> Iterator[str]:
    policy, basis, verdict = judgement.policy.policy, judgement.case.advisories.basis, judgement.verdict
    pattern = policy.pattern_for(verdict.repository)
    rule = f"its rule for {pattern}" if pattern else "which has no rule for this repository"
    yield "Judged by"
    yield f"  {'policy':<12} {policy.name}, {rule}"
    if basis.fetched_at is None:
        data = "none here, so vulnerable packages are not found: imagegate feeds update"
    else:
        data = f"of {basis.fetched_at:%Y-%m-%d %H:%M} UTC: {', '.join(basis.ecosystems) or 'nothing for its packages'}"
    yield from _wrapped(data, f"  {'advisories':<12} ", width)
    for signature in judgement.case.signatures.verified:
        yield f"  {'signature':<12} {signature.signer}"
    for subject in verdict.waived:
        yield from _wrapped(subject, f"  {'waived':<12} ", width)
    for note in notes:
        yield from _wrapped(note, f"  {'note':<12} ", width)


def _wrapped(text: str, start: str, width: int) -> list[str]:
    return textwrap.wrap(
        printable(text),
        width,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_on_hyphens=False,
        break_long_words=False,
    ) or [start.rstrip()]
