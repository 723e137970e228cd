"""What one program (an ELF file) tells: tools by their words, applets, packing, and what the program says of itself."""

from config.vocabulary import ToolKind
from scanning.errors import InvalidContentError
from scanning.facts import Evidence, Package
from scanning.files import multicall, packers
from scanning.files.signatures import SignatureSearch
from scanning.files.tools import Found
from scanning.layers.limits import MIB
from scanning.packages.programs import ProgramSearch

_KEPT_BYTES = 4 * MIB
"""The beginning of a program, kept until it is known whether it has to be looked at as a whole: busybox has 1 MB."""


class ProgramExamination:
    """Reads the program at `path`, of `size` bytes, fed in chunks of any size; the first holds its ELF header."""

    __slots__ = ("_content", "_kept", "_packing", "_path", "_search", "_size", "_words")

    def __init__(self, path: str, head: bytes, size: int) -> None:
        self._path = path
        self._size = size
        self._search = SignatureSearch()
        self._words = ProgramSearch(path)
        is_upx = packers.has_upx_mark(head)
        self._packing = is_upx or packers.has_no_sections(head)
        self._kept = packers.MAX_UNPACKED_BYTES if is_upx else _KEPT_BYTES
        self._content = bytearray()

    def feed(self, chunk: bytes | memoryview, seen: frozenset[bytes] | None = None) -> None:
        """Take the next bytes; nothing is kept of `chunk` itself. `seen` are the words of `scanning.files.sought` that
        occur in it, where somebody has looked.
        """
        self._search.feed(chunk, seen)
        self._words.feed(chunk, seen)
        room = self._kept - len(self._content)
        # Most programs come in one piece, of which a copy is only needed where there is more to look at.
        if room > 0 and (len(chunk) < self._size or self._packing or self._search.is_multicall):
            self._content += chunk[:room]

    def finish(self) -> tuple[tuple[tuple[Found, Evidence], ...], tuple[Package, ...]]:
        """The tools recognised, and the packages that the program is or is made of.

        Raises `InvalidContentError` where a list of these cannot be read.
        """
        tools: list[tuple[Found, Evidence]] = []
        packages: list[Package] = []
        if self._packing:
            self._look_into_packed(tools, packages)
        tools += ((found, Evidence.CONTENT) for found in self._search.finish())
        if self._search.is_multicall:
            tools += ((found, Evidence.APPLET) for found in multicall.applets(self._content))
        packages += self._words.finish()
        return tuple(tools), tuple(packages)

    def _look_into_packed(self, tools: list[tuple[Found, Evidence]], packages: list[Package]) -> None:
        content = bytes(self._content)
        if not packers.has_upx_mark(content):
            if packers.is_incompressible(content):
                tools.append(((ToolKind.PACKED, "packed program"), Evidence.CONTENT))
            return
        tools.append(((ToolKind.PACKED, "upx"), Evidence.CONTENT))
        try:
            unpacked = b"".join(packers.unpack_upx(content))
        except InvalidContentError:
            return  # changed after packing, or too large: that it is packed is all that can be told
        inside = ProgramExamination(
            self._path, b"", len(unpacked)
        )  # a program packed twice is told as packed by its outside
        inside.feed(unpacked)
        found, modules = inside.finish()
        tools += found
        packages += modules
