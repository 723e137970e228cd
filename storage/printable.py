"""Text from outside, made safe to keep and to show."""


def printable(text: str, limit: int | None = None) -> str:
    r"""`text` with everything that is not printable as an escape such as `\n`, in at most `limit` characters.

    Line breaks cannot forge a second record, terminal sequences do nothing, and no bidirectional mark hides what was
    written (threat 82).
    """
    if text.isprintable() and (limit is None or len(text) <= limit):
        return text
    kept = text if limit is None else text[: limit + 1]
    escaped = "".join(mark if mark.isprintable() else _escape(mark) for mark in kept)
    return escaped if limit is None or len(escaped) <= limit else escaped[: limit - 1] + "…"


def _escape(mark: str) -> str:
    return mark.encode("unicode_escape").decode()
