"""Ends of things, as people type them: a length of time from now, or a moment."""

from datetime import datetime

import typer

from config.durations import end_after, parse_duration


def read_end(text: str, now: datetime) -> datetime:
    """When what is given with `--expires` ends: after `30d`, or at `2027-01-31T00:00:00Z`."""
    try:
        return datetime.fromisoformat(text) if "-" in text else end_after(now, parse_duration(text))
    except ValueError as error:
        said = "write a length of time such as 30d, or a moment such as 2027-01-31T00:00:00Z"
        raise typer.BadParameter(said, param_hint="--expires") from error
