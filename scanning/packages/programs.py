"""What a program says of itself, whoever put it where it is: read as it passes, in chunks of any size.

    Go's build information                                  scanning.packages.golang
    what cargo-auditable notes of a Rust program            scanning.packages.rust
    the note of whoever packaged it (.note.package)         scanning.packages.notes
    the bill of materials in what GraalVM has made          scanning.packages.native_image
    the list of packages in a .NET single-file bundle       scanning.packages.dotnet_bundle
    its own words: `nginx version: nginx/1.25.1`            scanning.packages.known_programs

A copy of a distribution's own program tells the same as the distribution's database; which of the two an image keeps
is settled when layers become an image (`scanning.layers.inventory`).
"""

from collections.abc import Iterator

from scanning.facts import Package
from scanning.files.words import Words
from scanning.packages.dotnet_bundle import LIST, SIGNATURE, BundleSearch
from scanning.packages.golang import WORD as _BUILD_INFO
from scanning.packages.golang import BuildInfoSearch
from scanning.packages.known_programs import MAX_LENGTH, RULES, Rule
from scanning.packages.native_image import PACKED, NativeImageSearch
from scanning.packages.native_image import WORD as _NATIVE_IMAGE
from scanning.packages.notes import WORD as _NOTE
from scanning.packages.notes import NoteReader
from scanning.packages.rust import AuditSearch

GENERIC = "generic"
"""The purl type of a program that no package database tells of."""

_BUNDLE = frozenset({SIGNATURE, LIST})
WORDS = Words(
    (
        *(word for rule in RULES for word in rule.words),
        *(rule.also for rule in RULES if rule.also),
        *(_NOTE, _BUILD_INFO, _NATIVE_IMAGE, PACKED, *_BUNDLE),
    )
)


class ProgramSearch:
    """Reads one executable called `path`."""

    __slots__ = ("_audit", "_bill", "_bundle", "_go", "_note", "_path", "_rules", "_seen", "_tail", "_versions")

    def __init__(self, path: str) -> None:
        self._path = path
        name = path.rpartition("/")[2]
        self._rules = [rule for rule in RULES if rule.files is None or rule.files.fullmatch(name)]
        self._versions: dict[Rule, str] = {}
        self._seen: frozenset[bytes] = frozenset()
        self._tail = b""
        self._go = BuildInfoSearch()
        self._audit = AuditSearch()
        self._bill = NativeImageSearch()
        self._bundle = BundleSearch(path)
        self._note = NoteReader()

    def feed(self, chunk: bytes | memoryview, seen: frozenset[bytes] | None = None) -> None:
        """Take the next bytes. `seen` are the words in them, of these and others, where they were sought already."""
        words = WORDS.found_in(chunk) if seen is None else seen & WORDS.sought
        self._go.feed(chunk, may_begin=_BUILD_INFO in words)
        self._audit.feed(chunk)
        self._bill.feed(chunk, may_begin=PACKED in words)
        self._bundle.feed(chunk, may_begin=not words.isdisjoint(_BUNDLE))
        if self._tail:
            edge = self._tail + bytes(chunk[:MAX_LENGTH])
            self._look_at(edge, WORDS.found_in(edge))
        self._look_at(chunk, words)
        end = bytes(chunk[-MAX_LENGTH:])
        self._tail = end if len(end) == MAX_LENGTH else (self._tail + end)[-MAX_LENGTH:]

    def finish(self) -> tuple[Package, ...]:
        """The packages the program is, and is made of. Raises `InvalidContentError` where its list cannot be read."""
        modules = self._go.finish(self._path)
        crates = self._audit.finish(self._path)
        bill = self._bill.finish(self._path) if _NATIVE_IMAGE in self._seen else ()
        bundled = self._bundle.finish()
        return (
            *modules,
            *crates,
            *bill,
            *bundled,
            *self._note.finish(self._path),
            *dict.fromkeys(self._known(modules)),
        )

    def _look_at(self, window: bytes | memoryview, words: frozenset[bytes]) -> None:
        self._seen |= words
        if _NOTE in words:
            self._note.look_at(window)
        for rule in self._rules:
            if (not rule.words or not words.isdisjoint(rule.words)) and rule not in self._versions:
                found = rule.pattern.search(window)
                if found is not None:
                    self._versions[rule] = found[1].decode("ascii")

    def _known(self, modules: tuple[Package, ...]) -> Iterator[Package]:
        for rule, version in self._versions.items():
            if not rule.also or rule.also in self._seen:
                yield _program(rule.name, version, self._path)
        if self._path.endswith("/go") and modules:  # the toolchain is written in itself
            yield _program("go", modules[0].version, self._path)


def _program(name: str, version: str, path: str) -> Package:
    return Package(GENERIC, name, version, name, version, path)
