"""Text from outside, made safe to keep and to show."""


def printable(text: str, limit: int) -> str:
    r"""`text` in at most `limit` characters, with everything that is not printable as an escape such as `\n`.

    Line breaks cannot forge a second record, terminal sequences do nothing, and no bidirectional mark hides what was
    written (threat 82).
    """
    escaped = "".join(mark if mark.isprintable() else _escape(mark) for mark in text[: limit + 1])
    return escaped if len(escaped) <= limit else escaped[: limit - 1] + "…"


def _escape(mark: str) -> str:
    return mark.encode("unicode_escape").decode()
