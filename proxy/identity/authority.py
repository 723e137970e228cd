"""Who may change what the gate goes by: an admin, for repositories that the token covers."""

from collections.abc import Iterable

from config.patterns import RepositoryPattern
from proxy.errors import DeniedError
from proxy.identity.administrator import Administrator
from proxy.identity.principal import Caller, Role


def as_administrator(caller: Caller, repositories: Iterable[RepositoryPattern] = ()) -> Administrator:
    """The caller, if it is an admin, with its token itself, of all of `repositories`. Raises `DeniedError`."""
    principal = caller.principal
    if principal.role is not Role.ADMIN or principal.scopes is not None:
        raise DeniedError("only an admin does that, logged in with the token itself")
    beyond = next((one for one in repositories if not principal.covers_all_of(one)), None)
    if beyond is not None:
        raise DeniedError(f"the token {principal.name!r} does not cover {beyond}; name repositories that it covers")
    return Administrator(principal.name, caller.address, caller.request_id)
