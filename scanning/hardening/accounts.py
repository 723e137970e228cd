"""Checks of the accounts of an image (passwd(5), shadow(5))."""

from collections.abc import Iterable, Iterator

from scanning.facts import Account, Weakness
from scanning.files.system import is_name

_ROOT = "root"


def weaknesses(accounts: Iterable[Account], open_accounts: Iterable[tuple[str, str]]) -> Iterator[Weakness]:
    """What the accounts make easier for an attacker. `open_accounts` have no password, each
    after the file that says so.
    """
    for account in accounts:
        if account.uid == 0 and account.name != _ROOT and is_name(account.name):
            yield Weakness("H23", "etc/passwd", f"the account {account.name} has the uid 0")
    for path, name in open_accounts:
        yield Weakness("H23", path, f"the account {name} has an empty password")
