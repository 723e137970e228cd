"""What is decided about a manifest that somebody asks for."""

from dataclasses import dataclass

from proxy.errors import DeniedError
from proxy.upstream.port import StoredManifest
from scanning.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be said of a manifest: its verdict, or why it has none."""

    stored: StoredManifest
    verdict: Verdict | DeniedError

    def enforces(self, outcome: Outcome) -> bool:
        """Whether there is a verdict, and it enforces `outcome`."""
        return isinstance(self.verdict, Verdict) and self.verdict.enforced is outcome
