"""The challenge of a 401 (RFC 6750 section 3; Docker token authentication specification).

Clients read the first WWW-Authenticate header only, so there is exactly one.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from proxy.identity.principal import Action
from scanning.oci.names import Repository

CATALOG_SCOPE = "registry:catalog:*"
_NEEDED = {
    Action.PULL: (Action.PULL,),
    Action.PUSH: (Action.PULL, Action.PUSH),  # who pushes asks first what is already there
    Action.DELETE: (Action.DELETE,),
}


def repository_scope(repository: Repository, action: Action) -> str:
    """What to ask a token for, to do `action` and what goes with it."""
    return f"repository:{repository}:{','.join(_NEEDED[action])}"


@dataclass(frozen=True, slots=True)
class Challenger:
    """Writes challenges. `realm` is the address of the token endpoint, `service` the audience of its tokens."""

    realm: str
    service: str

    def bearer(self, scope: str = "", error: str = "") -> str:
        """Send the client to the token endpoint for `scope`."""
        parts = [("realm", self.realm), ("service", self.service), ("scope", scope), ("error", error)]
        return f"Bearer {_quoted(parts)}"

    def basic(self) -> str:
        """Ask for name and password; for the token endpoint itself."""
        return f"Basic {_quoted([('realm', self.service), ('charset', 'UTF-8')])}"


def _quoted(parts: Iterable[tuple[str, str]]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in parts if value)


def _escaped(value: str) -> str:
    """A quoted-string (RFC 9110 section 5.6.4) of visible ASCII."""
    visible = "".join(character if " " <= character <= "~" else "?" for character in value)
    return visible.replace("\\", "\\\\").replace('"', '\\"')
