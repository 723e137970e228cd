"""The one place where a request is allowed: route, then credential, then access, then the handler.

raw path -> route (404, 405) -> credential (401, 429) -> access of the route (401 for more scope, 403) -> handler
"""

from contextlib import suppress
from dataclasses import dataclass

from aiohttp import hdrs, web

from proxy.errors import DeniedError, NameUnknownError, UnauthorizedError
from proxy.identity.authenticate import Client
from proxy.identity.challenge import CATALOG_SCOPE, repository_scope
from proxy.identity.credentials import read_authorization
from proxy.identity.principal import Action, Caller, Principal
from proxy.routing import Access, Call, Match, Route, Router
from proxy.services import Services
from proxy.upstream.port import UpstreamReadOnlyError
from proxy.upstream.slots import TENANT
from scanning.errors import InvalidNameError
from scanning.oci.names import Repository

ROUTE = web.RequestKey("route", Route)


@dataclass(frozen=True, slots=True)
class Enforcer:
    """Allows requests according to the table."""

    router: Router
    services: Services

    async def answer(self, request: web.Request, path: str, client: Client) -> web.StreamResponse:
        """Serve `request`, whose raw `path` was checked. Raises the errors of `proxy.errors`."""
        match = self.router.match(request.method, path)
        request[ROUTE] = match.route
        if match.route.access is Access.NONE:
            return await match.route.handler(Call(request, self.services, client, match.parameters))
        call = await self._allowed(request, match, client)
        return await match.route.handler(call)

    async def _allowed(self, request: web.Request, match: Match, client: Client) -> Call:
        access = match.route.access
        if access is Access.CONSOLE:
            return await self._in_session(request, match, client)
        caller = await self._authenticated(request, match, client)
        TENANT.set(caller.principal.grant)
        if access.action is None:
            if access is Access.CATALOG and not caller.principal.catalog:
                raise UnauthorizedError(
                    "the bearer token was not issued for the catalogue; ask for one that is",
                    scope=CATALOG_SCOPE,
                    error="insufficient_scope",
                )
            return Call(request, self.services, client, match.parameters, caller)
        repository = Repository(match.parameters["repository"])
        if not caller.principal.may(access.action, repository):
            await self._refuse(caller, access.action, repository, _scope(request, match))
            if _looks_before_it_pushes(request, match, caller.principal):
                # An answer to HEAD has no body, so the client would stop at a bare 403. Where nothing is there yet it
                # goes on, and is refused with the sentence.
                raise NameUnknownError(f"there is no repository {repository}, or it is not yours to see")
            raise DeniedError(
                _why_denied(caller.principal, access.action, repository),
                detail={"action": access.action, "repository": repository.name},
            )
        if access.action is not Action.PULL:
            await self._check_writable(caller, access.action, repository)
        return Call(request, self.services, client, match.parameters, caller, repository)

    async def _in_session(self, request: web.Request, match: Match, client: Client) -> Call:
        """Nothing but the session counts here, as it counts nowhere else (threat 95)."""
        session = await self.services.console.find(request)
        principal = await self.services.authenticator.holder(session.grant) if session else None
        if principal is None:
            raise UnauthorizedError("you are not signed in, or not any more; sign in with a token")
        TENANT.set(principal.grant)
        caller = Caller(principal, client.address, client.request_id)
        return Call(request, self.services, client, match.parameters, caller, known_session=session)

    async def _authenticated(self, request: web.Request, match: Match, client: Client) -> Caller:
        try:
            credential = read_authorization(request.headers.getall(hdrs.AUTHORIZATION, ()))
            principal = await self.services.authenticator.authenticate(credential, client) if credential else None
        except UnauthorizedError as error:
            raise UnauthorizedError(str(error), scope=_scope(request, match), error=error.error) from error
        if principal is None:
            said = "authentication required; log in with a token as password"
            raise UnauthorizedError(said, scope=_scope(request, match))
        return Caller(principal, client.address, client.request_id)

    async def _refuse(self, caller: Caller, action: Action, repository: Repository, scope: str) -> None:
        """401 where a token with more scope would do; else it is put on record that the caller may not."""
        principal = caller.principal
        if principal.granted(action, repository):
            raise UnauthorizedError(
                f"the bearer token was not issued for {action} on {repository}; ask for one that is",
                scope=scope,
                error="insufficient_scope",
            )
        await self.services.record_denied(caller, str(action), repository.name)

    async def _check_writable(self, caller: Caller, action: Action, repository: Repository) -> None:
        """Nothing is begun, held or sent where it could never be published."""
        try:
            self.services.upstream.check_writable(repository)
        except UpstreamReadOnlyError:
            await self.services.record_denied(caller, f"{action}: the upstream is read-only", repository.name)
            raise


def _looks_before_it_pushes(request: web.Request, match: Match, principal: Principal) -> bool:
    """Whether somebody who pushes elsewhere asks by HEAD if a blob or manifest of this digest is there already."""
    named = match.parameters.get("digest") or match.parameters.get("reference", "")
    return request.method == hdrs.METH_HEAD and ":" in named and principal.pushes


def _why_denied(principal: Principal, action: Action, repository: Repository) -> str:
    said = f"the token {principal.name!r} ({principal.role}) may not {action} {repository}; ask an administrator for"
    if not principal.covers(repository):
        return f"{said} one that covers {repository}"
    return f"{said} {'an admin' if action is Action.DELETE else 'a developer'}'s token"


def _scope(request: web.Request, match: Match) -> str:
    """All a client should ask a token for, to make this request succeed (threat 7)."""
    access = match.route.access
    if access is Access.CATALOG:
        return CATALOG_SCOPE
    if access.action is None:
        return ""
    wanted = [repository_scope(Repository(match.parameters["repository"]), access.action)]
    source = request.rel_url.query.get("from", "")
    if access is Access.PUSH and source and "mount" in request.rel_url.query:
        with suppress(InvalidNameError):  # the handler says so to who may know
            wanted.append(repository_scope(Repository(source), Action.PULL))
    return " ".join(wanted)
