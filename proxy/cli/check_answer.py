"""What `imagegate check` says of a judgement, in each of its formats."""

from collections.abc import Sequence

from proxy.cli.check_question import Format
from proxy.cli.check_report import check_report, is_admitted
from proxy.cli.sarif import sarif
from proxy.gate.judgement import Judgement
from scanning.documents import encode

__all__ = ["answer", "is_admitted"]


def answer(judgement: Judgement, output: Format, notes: Sequence[str], width: int) -> str:
    """The judgement with its last line ended; `notes` and the `width` in columns are for people."""
    if output is Format.JSON:
        return f"{encode(judgement.verdict).decode()}\n"
    if output is Format.SARIF:
        return f"{sarif(judgement)}\n"
    return check_report(judgement, notes, width)
