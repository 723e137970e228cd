"""Routes and the calls they receive. The table itself is in `proxy.app`.

Paths are matched raw, as they came over the wire: nothing is decoded or normalised, so that what was authorised is
what is served (threats 23 to 25). A repository name has any number of parts, so patterns are told apart by their
tails, and a name is only a name once `Repository` has accepted it.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from aiohttp import web

from proxy.console.sessions import ConsoleSession
from proxy.errors import MethodNotAllowedError, NotFoundError
from proxy.identity.authenticate import Client
from proxy.identity.principal import Action, Caller
from proxy.services import Services
from scanning.oci.names import Repository


class Access(StrEnum):
    """What a route asks of its caller."""

    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"
    CATALOG = "catalog"
    """A live grant, and for a bearer token the catalogue scope."""
    SIGNED_IN = "signed-in"
    """A live grant; the handler looks at what it concerns."""
    CONSOLE = "console"
    """A session of the console with a live grant; the handler looks at what it concerns."""
    NONE = "none"

    @property
    def action(self) -> Action | None:
        """The action on the route's repository, None where the route has no repository."""
        return Action(self) if self in (Access.PULL, Access.PUSH, Access.DELETE) else None


@dataclass(frozen=True, slots=True)
class Call:
    """One request that may do what its route says."""

    request: web.Request
    services: Services
    client: Client
    parameters: Mapping[str, str]
    known_caller: Caller | None = None
    known_repository: Repository | None = None
    known_session: ConsoleSession | None = None

    @property
    def caller(self) -> Caller:
        """Who calls. Every route has one but those that are open to all."""
        if self.known_caller is None:
            raise LookupError(f"the route of {self.request.path} is open to all and has no caller")
        return self.known_caller

    @property
    def session(self) -> ConsoleSession:
        """The caller's session of the console."""
        if self.known_session is None:
            raise LookupError(f"the route of {self.request.path} is not of the console")
        return self.known_session

    @property
    def repository(self) -> Repository:
        """The repository in the path."""
        if self.known_repository is None:
            raise LookupError(f"the route of {self.request.path} names no repository")
        return self.known_repository


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table. In `pattern`, `{repository}` is a name of any depth, other parameters one part."""

    method: str
    pattern: str
    access: Access
    handler: Handler


@dataclass(frozen=True, slots=True)
class Match:
    """A route and what its parameters are in one path."""

    route: Route
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Resource:
    expression: re.Pattern[str]
    routes: Mapping[str, Route]


@dataclass(frozen=True, slots=True)
class Router:
    """Finds the route of a request. GET routes answer HEAD too."""

    _resources: tuple[_Resource, ...] = field(repr=False)

    @classmethod
    def of(cls, routes: Iterable[Route]) -> "Router":
        """Compile the table. Two routes for one method and pattern are a mistake."""
        by_pattern: dict[str, dict[str, Route]] = {}
        for route in routes:
            methods = by_pattern.setdefault(route.pattern, {})
            if route.method in methods:
                raise ValueError(f"two routes for {route.method} {route.pattern}")
            methods[route.method] = route
        for methods in by_pattern.values():
            if "GET" in methods:
                methods.setdefault("HEAD", methods["GET"])
        return cls(tuple(_Resource(_expression(pattern), methods) for pattern, methods in by_pattern.items()))

    def match(self, method: str, path: str) -> Match:
        """The route of a raw path. Raises `NotFoundError` or `MethodNotAllowedError` (threat 31)."""
        for resource in self._resources:
            found = resource.expression.fullmatch(path)
            if found is None:
                continue
            route = resource.routes.get(method)
            if route is None:
                raise MethodNotAllowedError(
                    f"{method[:20]} is not possible at this address; possible: {', '.join(sorted(resource.routes))}",
                    allowed=tuple(sorted(resource.routes)),
                )
            return Match(route, found.groupdict())
        raise NotFoundError(
            "there is nothing at this address; the registry API starts at /v2/, the gate's own at /api/v1/"
        )


def _expression(pattern: str) -> re.Pattern[str]:
    parts: list[str] = re.split(r"\{(\w+)\}", pattern)
    literals, names = parts[::2], parts[1::2]
    groups = [rf"(?P<{name}>{'.+' if name == 'repository' else '[^/]+'})" for name in names]
    text = re.escape(literals[0])
    for group, literal in zip(groups, literals[1:], strict=True):
        text += group + re.escape(literal)
    return re.compile(text)
