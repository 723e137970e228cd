"""Scopes of the Docker token protocol: `repository:team/app:pull,push` and `registry:catalog:*`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.identity.challenge import CATALOG_SCOPE
from proxy.identity.principal import Action, Principal, Scope
from scanning.errors import InvalidNameError
from scanning.oci.names import Repository

MAX_SCOPES = 100
_EVERY_ACTION = "*"


@dataclass(frozen=True, slots=True)
class Access:
    """What a bearer token is good for."""

    scopes: tuple[Scope, ...] = ()
    catalog: bool = False

    @property
    def claim(self) -> list[dict[str, Any]]:
        """The `access` claim (Docker token specification, "Getting a Bearer Token")."""
        listed: list[dict[str, Any]] = [
            {"type": "repository", "name": scope.repository, "actions": sorted(scope.actions)} for scope in self.scopes
        ]
        if self.catalog:
            listed.append({"type": "registry", "name": "catalog", "actions": [_EVERY_ACTION]})
        return listed

    @classmethod
    def from_claim(cls, claim: Iterable[Mapping[str, Any]]) -> "Access":
        """Read back what `claim` wrote. Raises `KeyError`, `TypeError` or `ValueError` on anything else."""
        entries = list(claim)
        return cls(
            tuple(
                Scope(entry["name"], frozenset(map(Action, entry["actions"])))
                for entry in entries
                if entry["type"] == "repository"
            ),
            any(entry["type"] == "registry" and entry["name"] == "catalog" for entry in entries),
        )


def grant_access(asked: Iterable[str], principal: Principal) -> Access:
    """What of the scopes in `asked` the grant allows. What is not understood or not allowed is left out."""
    granted: dict[str, frozenset[Action]] = {}
    catalog = False
    for text in asked:
        if text == CATALOG_SCOPE:
            catalog = True
            continue
        kind, _, rest = text.partition(":")
        name, _, actions = rest.rpartition(":")
        if kind != "repository":
            continue
        allowed = _allowed(name, actions, principal)
        if allowed:
            granted[name] = granted.get(name, frozenset()) | allowed
    return Access(tuple(Scope(name, actions) for name, actions in granted.items()), catalog)


def _allowed(name: str, actions: str, principal: Principal) -> frozenset[Action]:
    try:
        repository = Repository(name)
    except InvalidNameError:
        return frozenset()
    wanted = set(actions.split(","))
    return frozenset(
        action
        for action in Action
        if (action in wanted or _EVERY_ACTION in wanted) and principal.granted(action, repository)
    )
