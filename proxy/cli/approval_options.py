"""What every approval at the terminal asks for: who answers for it, why, and where it holds."""

from collections.abc import Sequence
from typing import Annotated

import typer

from config.patterns import RepositoryPattern
from proxy.cli.session import administrator
from proxy.clock import utc_now
from proxy.gate.approving import Act

ReasonOption = Annotated[str, typer.Option(help="Why, for the audit.")]
OwnerOption = Annotated[str, typer.Option(help="Whom to ask about it later; else whoever types this.")]
RepositoryOption = Annotated[
    list[str] | None, typer.Option(help="Where it holds: a pattern of repositories; may be repeated.")
]


def act(reason: str, owner: str, repositories: Sequence[str]) -> Act:
    """An approval by the person at this terminal. Raises `InvalidPatternError`."""
    by = administrator()
    return Act(by, owner or by.name, reason, tuple(map(RepositoryPattern, repositories)), utc_now())
