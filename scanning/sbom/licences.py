"""What packages say of their licences, as one SPDX licence expression (SPDX 2.3, annex D) where it is one."""

from collections.abc import Sequence

from config.licences import expression_of


def declared(licences: Sequence[str]) -> str:
    """All of `licences` together; "" if there are none, or if one of them is no SPDX expression."""
    expressions = [_expression(text) for text in licences]
    if not all(expressions):
        return ""
    return " AND ".join(f"({one})" if len(expressions) > 1 else one for one in expressions)


def _expression(text: str) -> str:
    parsed = expression_of(text, is_listed=True)
    return "" if parsed is None else str(parsed)
