"""How things are told."""


def counted(number: int, one: str, many: str = "") -> str:
    """So many of them: `1 file`, `2 files`. `many` is what more or fewer than one are called, where that is not `one`
    with an s.
    """
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def as_sentence(clause: str) -> str:
    """A clause such as `it is written` as a sentence of its own."""
    return f"{clause[:1].upper()}{clause[1:]}."
