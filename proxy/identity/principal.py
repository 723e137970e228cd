"""A caller that is known, and what it may do: its role on its repositories, narrowed by the scope of its token."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from config.patterns import EVERY_REPOSITORY, RepositoryPattern, is_repository_name
from scanning.oci.names import Repository


class Role(StrEnum):
    """What a grant is for."""

    ADMIN = "admin"
    DEVELOPER = "developer"
    CREATOR = "creator"
    """A developer who creates tags and never moves one."""
    OPERATOR = "operator"


class Action(StrEnum):
    """What can be done to a repository, in the words of the Docker token protocol."""

    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"


_ALLOWED = {
    Role.ADMIN: frozenset(Action),
    Role.DEVELOPER: frozenset({Action.PULL, Action.PUSH}),
    Role.CREATOR: frozenset({Action.PULL, Action.PUSH}),
    Role.OPERATOR: frozenset({Action.PULL}),
}


@dataclass(frozen=True, slots=True)
class Scope:
    """Actions on one repository that a short-lived token was issued for."""

    repository: str
    actions: frozenset[Action]


@dataclass(frozen=True, slots=True)
class Principal:
    """A live grant, as one request uses it.

    `scopes` is None for Basic credentials (everything the grant allows), else what the bearer token was issued for;
    `catalog` says whether it was issued for the list of repositories.
    """

    grant: str
    name: str
    role: Role
    repositories: tuple[RepositoryPattern, ...]
    scopes: tuple[Scope, ...] | None = None
    catalog: bool = True

    @property
    def pushes(self) -> bool:
        """Whether the role is one that pushes, wherever that may be."""
        return Action.PUSH in _ALLOWED[self.role]

    def reads(self, repository: Repository) -> bool:
        """Whether this request may read what was decided about the repository: whoever may pull or push it."""
        return self.may(Action.PULL, repository) or self.may(Action.PUSH, repository)

    def covers(self, repository: Repository) -> bool:
        """Whether the grant is for this repository, whatever it allows there."""
        return any(pattern.matches(repository.name) for pattern in self.repositories)

    def covers_all_of(self, pattern: RepositoryPattern) -> bool:
        """Whether the grant is for all that `pattern` matches."""
        return cover(self.repositories, pattern)

    def is_concerned_by(self, patterns: Iterable[RepositoryPattern]) -> bool:
        """Whether something that holds in the repositories of `patterns` holds in some that the grant is for."""
        return any(one.overlaps(own) for one in patterns for own in self.repositories)

    def granted(self, action: Action, repository: Repository) -> bool:
        """Whether the grant itself allows `action`, whatever the token in hand was issued for."""
        return action in _ALLOWED[self.role] and self.covers(repository)

    def may(self, action: Action, repository: Repository) -> bool:
        """Whether this request allows `action` on `repository`."""
        in_scope = self.scopes is None or any(
            scope.repository == repository.name and action in scope.actions for scope in self.scopes
        )
        return in_scope and self.granted(action, repository)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes one request, for decisions and for the audit."""

    principal: Principal
    address: str
    request_id: str


def cover(granted: Collection[RepositoryPattern], pattern: RepositoryPattern) -> bool:
    """Whether `granted` are for all that `pattern` matches: the same is among them, or one covers a plain name."""
    if pattern in granted or EVERY_REPOSITORY in granted:
        return True
    return is_repository_name(pattern.text) and any(one.matches(pattern.text) for one in granted)
