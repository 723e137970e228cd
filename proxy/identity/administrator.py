"""Who acts at the command line or the admin API."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who changes something, for the audit: `name` and where from."""

    name: str
    address: str
