"""What `scanning` refuses. Each is content from outside that cannot be trusted to mean one thing."""

from config.errors import ImagegateError


class InvalidContentError(ImagegateError):
    """Content from outside that cannot be read unambiguously."""


class InvalidDigestError(InvalidContentError):
    """A digest string outside the grammar of the OCI image specification (descriptor.md, Digests)."""


class InvalidNameError(InvalidContentError):
    """A repository, tag or reference outside the grammar of the OCI distribution specification."""


class InvalidManifestError(InvalidContentError):
    """A manifest, index or image configuration that two readers could understand differently, or not at all."""


class InvalidJsonError(InvalidContentError):
    """A JSON document that two readers could understand differently, that is not JSON, or not what it should be."""


class InvalidSignatureError(InvalidContentError):
    """A signature document that is not what it claims to be, or a key that cannot verify one."""


class UnreadableLayerError(InvalidContentError):
    """A layer whose content runtimes could unpack differently, or that cannot be read to its end.

    `entry` is the archive member concerned ("" where none is), `offset` the byte in the uncompressed archive.
    """

    def __init__(self, reason: str, *, entry: str = "", offset: int | None = None) -> None:
        place = f" (entry {entry!r})" if entry else ""
        place += f" at byte {offset}" if offset is not None else ""
        super().__init__(f"{reason}{place}")
        self.reason = reason
        self.entry = entry
        self.offset = offset


class NotALayerError(UnreadableLayerError):
    """A blob that is no layer at all: its first bytes are neither gzip, nor zstd, nor a tar archive.

    An image configuration, a signature or any other artifact looks like this: nothing more of it is read.
    """


class LimitExceededError(UnreadableLayerError):
    """A layer, or a file in it, passes one of the configured inspection limits. `limit` names the setting that raises
    it.
    """

    def __init__(self, limit: str, allowed: int, *, entry: str = "", offset: int | None = None) -> None:
        super().__init__(
            f"the inspection limit {limit} of {allowed} is passed; raise inspection.{limit} if this is expected",
            entry=entry,
            offset=offset,
        )
        self.limit = limit
        self.allowed = allowed
