"""What one file of a layer tells, read as it passes.

    path      package databases, ownership lists, os-release, passwd   held whole, up to `file_bytes`
    head      ELF, text, or neither                                    by the first bytes, not by mode
    ELF       words of tools, applets, packing, what programs say    streamed to the end, at any size
    binary    .NET libraries and x86 kernels: what they say of themselves
    Windows   words of tools and packing, as in ELF
    store     private keys in PKCS #12, Java's and other binary forms  held, up to 1 MB
    text      secrets; what scripts fetch                              the first `MAX_TEXT_BYTES`
    code      digests, as package databases record them                of all that `scanning.files.fingerprints` names

Other data (pictures, archives, databases) is looked at no further than its head. Every file's head is read, since
a renamed tool can be called anything. How a file is cut into chunks never changes what it tells.

Most files tell nothing, and most are small: what lies whole in the piece that is being read is dismissed in a few
steps. Words are sought in the whole piece at once (`scanning.files.sought`).
"""

from collections.abc import Iterable
from dataclasses import replace

from config.vocabulary import ToolKind
from scanning.errors import InvalidContentError, LimitExceededError
from scanning.facts import Evidence, Fetch, FileEntry, FileFinds, Package, Secret, Tool
from scanning.files import fetching, key_stores, logins, packers, secrets, sought, system
from scanning.files.fingerprints import SCRIPT, Fingerprinting, kind_of
from scanning.files.program import ProgramExamination
from scanning.files.signatures import SignatureSearch
from scanning.files.tools import Found, is_multicall, is_program_path, named
from scanning.files.words import Survey
from scanning.layers.limits import MIB, InspectionLimits
from scanning.packages import assembly, binaries, catalogers, dpkg, licences, ownership
from scanning.packages.binaries import BinarySearch

MAX_TEXT_BYTES = 8 * MIB
"""How much of one text file is searched for secrets. Larger text is generated data: logs, dumps, indexes."""

_USUAL_LIMITS = InspectionLimits()
_HEAD_BYTES = 4096
_ELF = b"\x7fELF"
_LOOKED_AT_CLOSELY = (_ELF, SCRIPT, *key_stores.BEGINNINGS)
"""How files begin that tell something by their content, or may."""
_SCRIPTS = (".sh", ".bash")
"""How scripts are called that need not say what runs them."""
_EXECUTABLE = 0o111
_WITH_COMMON_NAMES = frozenset({ToolKind.DOWNLOADER, ToolKind.SHELL})
_ACCOUNT_FILES = (system.ACCOUNTS, system.PASSWORDS)

_ENDINGS = (
    *(*catalogers.ENDINGS, *ownership.ENDINGS, *licences.ENDINGS),
    *(*_ACCOUNT_FILES, dpkg.DIVERSIONS, *system.OS_RELEASES),
)
_FOLDERS = (dpkg.FRAGMENTS, system.VARIANTS)
"""Where metadata lies, whatever the file is called. Nearly no file is any, and all are asked."""


class FileExamination:
    """Reads one regular file."""

    __slots__ = (
        *("_binary", "_entry", "_fetches", "_fingerprinting", "_head", "_is_packed", "_is_script", "_limit", "_limits"),
        *("_problem", "_program", "_secrets", "_store", "_text", "_whole", "_windows"),
    )

    def __init__(self, entry: FileEntry, limits: InspectionLimits, *, is_metadata: bool) -> None:
        self._entry = entry
        self._limits = limits
        self._problem = self._limit = ""
        self._is_packed = False
        if is_metadata and entry.size > limits.file_bytes:
            self._problem = str(LimitExceededError("file_bytes", limits.file_bytes, entry=entry.path))
            self._limit = "file_bytes"
        self._whole: bytearray | None = bytearray() if is_metadata and not self._problem else None
        self._head: bytearray | None = bytearray()  # None once it is known what the content is
        self._program: ProgramExamination | None = None
        self._binary: BinarySearch | None = None
        self._windows: SignatureSearch | None = None
        self._store: bytearray | None = None
        self._fingerprinting: Fingerprinting | None = None
        self._text: bytearray | None = None
        self._secrets: tuple[Secret, ...] = ()
        self._is_script = False
        self._fetches: tuple[Fetch, ...] = ()

    def feed(self, chunk: bytes | memoryview, survey: Survey | None = None, start: int = 0) -> None:
        """Take the next bytes; nothing is kept of `chunk` itself. They begin at `start` of the piece that `survey`
        knows, if one is given.
        """
        if self._whole is not None:
            self._whole += chunk
        if self._head is None:
            self._read(chunk, survey, start)
        elif not self._head and (len(chunk) >= _HEAD_BYTES or len(chunk) == self._entry.size):
            self._recognise(bytes(chunk[:_HEAD_BYTES]))
            self._read(chunk, survey, start)
        else:
            self._head += chunk
            if len(self._head) >= _HEAD_BYTES:
                self._end_head()

    def finish(self) -> FileFinds | None:
        """What the file told, None if nothing."""
        found = self._told()
        if self._fingerprinting is None:
            return found
        fingerprint = self._fingerprinting.finish()
        if found is None:
            return FileFinds(self._entry.path, fingerprint=fingerprint)
        return replace(found, fingerprint=fingerprint)

    def _told(self) -> FileFinds | None:
        if self._head is not None:
            self._end_head()
        path = self._entry.path
        if self._text:
            self._read_text(self._text)
        if self._store and (kind := key_stores.kind_of(self._store)):
            self._secrets = (Secret(kind, path),)
        inside, packages = self._inside()
        tools = self._tools(inside)
        if self._whole is not None:
            found = _with_metadata(path, bytes(self._whole), self._limits)
            found = replace(
                found,
                packages=(*found.packages, *packages),
                tools=tools,
                secrets=self._secrets,
                fetches=self._fetches,
                problem=found.problem or self._problem,
            )
            return found if found != FileFinds(path) else None
        if packages or tools or self._secrets or self._fetches or self._problem:
            return FileFinds(
                path,
                packages=packages,
                tools=tools,
                secrets=self._secrets,
                fetches=self._fetches,
                problem=self._problem,
                limit=self._limit,
            )
        return None

    def _end_head(self) -> None:
        head, self._head = bytes(self._head or b""), None
        self._recognise(head[:_HEAD_BYTES])
        self._read(head)

    def _recognise(self, head: bytes) -> None:
        self._head = None
        kind = kind_of(self._entry, head)
        if kind is not None:
            self._fingerprinting = Fingerprinting(kind)
        if head.startswith(_ELF):
            self._program = ProgramExamination(self._entry.path, head, self._entry.size)
        elif key_stores.may_hold_keys(head):
            self._store = bytearray()
        elif (binary := binaries.begin(self._entry.path, head, self._entry.size)) is not None:
            self._binary = binary
            if head.startswith(assembly.MAGIC):
                self._windows = SignatureSearch()
                self._is_packed = packers.has_upx_mark(head)
        elif b"\0" not in head or head.startswith(SCRIPT):  # a shell does not mind them
            self._text = bytearray()
            self._is_script = _is_script(self._entry.path, head)

    def _read_text(self, text: bytearray | bytes | memoryview, seen: frozenset[bytes] | None = None) -> None:
        self._secrets = secrets.find_in_file(self._entry.path, text, seen)
        if self._is_script and fetching.may_fetch(script := bytes(text)):
            self._fetches = fetching.fetches(script.decode("latin-1"))

    def _read(self, chunk: bytes | memoryview, survey: Survey | None = None, start: int = 0) -> None:
        if self._fingerprinting is not None:
            self._fingerprinting.feed(chunk)
        if self._program is not None:
            self._program.feed(chunk, survey.within(start, start + len(chunk)) if survey else None)
        elif self._binary is not None:
            self._binary.feed(chunk)
            if self._windows is not None:
                self._windows.feed(chunk, survey.within(start, start + len(chunk)) if survey else None)
        elif self._store is not None:
            self._store += chunk[: key_stores.MAX_BYTES - len(self._store)]
        elif self._text is not None:
            if len(chunk) == self._entry.size:  # all of it at once, as most files come: no need for a copy
                content = chunk[:MAX_TEXT_BYTES]
                seen = survey.within(start, start + len(content)) if survey else None
                self._read_text(content, seen)
            elif len(self._text) < MAX_TEXT_BYTES:
                self._text += chunk[: MAX_TEXT_BYTES - len(self._text)]

    def _inside(self) -> tuple[Iterable[tuple[Found, Evidence]], tuple[Package, ...]]:
        try:
            if self._binary is not None:
                return self._inside_windows(), self._binary.finish()
            return self._program.finish() if self._program is not None else ((), ())
        except InvalidContentError as error:
            self._problem = self._problem or str(error)
            return (), ()

    def _inside_windows(self) -> Iterable[tuple[Found, Evidence]]:
        found = list(self._windows.finish()) if self._windows is not None else []
        if self._is_packed:
            found.append((ToolKind.PACKED, "upx"))
        return ((tool, Evidence.CONTENT) for tool in found)

    def _tools(self, inside: Iterable[tuple[Found, Evidence]]) -> tuple[Tool, ...]:
        path = self._entry.path
        called = named(path)
        tools = {
            kind: Tool(kind, called[1] if called and called[0] is kind else name, path, evidence)
            for (kind, name), evidence in inside
        }
        if called and called[0] not in tools and self._can_be(called[0]):
            tools[called[0]] = Tool(*called, path, Evidence.PATH)
        return tuple(tools.values())

    def _can_be(self, kind: ToolKind) -> bool:
        """Whether a file named as a tool can be one: a program anywhere, or a script where programs lie.

        Download tools and shells have names that mean other things elsewhere: apt has a method called ftp.
        """
        if (self._program or self._windows) and kind not in _WITH_COMMON_NAMES:
            return True
        return is_program_path(self._entry.path) and bool(self._entry.mode & _EXECUTABLE) and self._entry.size > 0


class Examiner:
    """Reads the files of one layer, within `limits`."""

    def __init__(self, limits: InspectionLimits = _USUAL_LIMITS) -> None:
        self._limits = limits
        self._piece = b""
        self._survey: Survey | None = None
        self._examination: FileExamination | None = None

    def look_at(self, piece: bytes) -> None:
        """The next piece of the archive: what is fed from now on lies in it."""
        self._piece = piece
        self._survey = sought.survey(piece)

    def begin(self, entry: FileEntry) -> None:
        """Begin the regular file `entry`."""
        self._examination = begin(entry, self._limits)

    def feed(self, chunk: memoryview, start: int) -> None:
        """Take the next bytes of the file, which begin at `start` of the piece."""
        if self._examination is not None:
            self._examination.feed(chunk, self._survey, start)

    def finish(self) -> FileFinds | None:
        """What the file told, None if nothing."""
        examination, self._examination = self._examination, None
        return examination.finish() if examination is not None else None

    def examine(self, entry: FileEntry, content: memoryview, start: int) -> FileFinds | None:
        """What a regular file tells whose whole `content` begins at `start` of the piece."""
        if self._tells_nothing(entry, start):
            return None
        self.begin(entry)
        self.feed(content, start)
        return self.finish()

    def _tells_nothing(self, entry: FileEntry, start: int) -> bool:
        """Whether that can be said of a file without looking closely. It must never be wrong where it says so."""
        piece, path = self._piece, entry.path
        if piece.startswith(_LOOKED_AT_CLOSELY, start) or _is_metadata(path) or named(path) is not None:
            return False
        if path.endswith(_SCRIPTS):
            return False
        size = entry.size
        head_end = start + (size if size < _HEAD_BYTES else _HEAD_BYTES)
        if kind_of(entry, b"") is not None or binaries.may_begin(piece, start, size):
            return False
        if piece.find(b"\0", start, head_end) >= 0:
            return True
        if logins.reader_of(path) is not None or self._survey is None:
            return False
        return not self._survey.within(start, start + min(size, MAX_TEXT_BYTES))

    def examine_link(self, entry: FileEntry) -> FileFinds | None:
        """What a symbolic or hard link tells by its own name."""
        return examine_link(entry)


def begin(entry: FileEntry, limits: InspectionLimits = _USUAL_LIMITS) -> FileExamination | None:
    """Begin to read the regular file `entry`; None if it cannot tell anything.

    A package database or other metadata file of more than `limits.file_bytes` is not read: its finds name the problem.
    """
    is_metadata = _is_metadata(entry.path)
    if entry.size == 0 and not is_metadata:
        return None
    return FileExamination(entry, limits, is_metadata=is_metadata)


def examine_link(entry: FileEntry) -> FileFinds | None:
    """What a symbolic or hard link tells by its own name: `nc` leading to busybox is netcat.

    Elsewhere than where programs lie a name means little (apt has a transport called ssh). Whether it leads to a
    program is known when layers become an image.
    """
    called = named(entry.path)
    if called is None or not (is_program_path(entry.path) or is_multicall(entry.link)):
        return None
    return FileFinds(entry.path, tools=(Tool(*called, entry.path, Evidence.PATH),))


def _is_metadata(path: str) -> bool:
    return (path.endswith(_ENDINGS) or path.startswith(_FOLDERS)) and (
        catalogers.cataloger_of(path) is not None
        or ownership.matches(path)
        or licences.matches(path)
        or _holds_accounts(path)
        or path == dpkg.DIVERSIONS
        or system.is_os_release(path)
    )


def _holds_accounts(path: str) -> bool:
    return any(system.is_read_as(path, what) for what in _ACCOUNT_FILES)


def _is_script(path: str, head: bytes) -> bool:
    return head.startswith(SCRIPT) or path.endswith(_SCRIPTS)


def _with_metadata(path: str, content: bytes, limits: InspectionLimits) -> FileFinds:
    """What the file at `path` tells because of where it lies."""
    try:
        return FileFinds(
            path,
            packages=catalogers.read(path, content, limits),
            os_release=system.read_os_release(path, content) if system.is_os_release(path) else None,
            accounts=system.read_passwd(content) if system.is_read_as(path, system.ACCOUNTS) else (),
            open_accounts=system.read_open_accounts(content) if _holds_accounts(path) else (),
            ownership=ownership.read(path, content) if ownership.matches(path) else (),
            licences=licences.read(path, content) if licences.matches(path) else (),
            diversions=dpkg.read_diversions(content) if path == dpkg.DIVERSIONS else (),
        )
    except LimitExceededError as error:
        return FileFinds(path, problem=str(error), limit=error.limit)
    except InvalidContentError as error:
        return FileFinds(path, problem=str(error))
