"""What the options before the command say."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """`--config` and `--state-dir`; None where not given."""

    config: Path | None = None
    state_dir: Path | None = None
