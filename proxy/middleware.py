"""Around every request: an id, the client's address, one line in the log, the counters, and errors as answers."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from config.errors import ImagegateError
from proxy.answers import error_answer, is_of_console, standing_headers
from proxy.console.errors import error_page
from proxy.enforcement import ROUTE
from proxy.errors import UnauthorizedError, WireError, to_wire
from proxy.forwarded import Proxies
from proxy.guard import request_id
from proxy.identity.authenticate import Authenticator, Client
from proxy.identity.credentials import BearerCredential, read_authorization
from proxy.identity.principal import Caller
from proxy.registry.manifests import RECALL, Recall
from proxy.repeats import Answered
from proxy.services import Services
from proxy.telemetry.metrics import NO_ROUTE
from proxy.telemetry.request_log import RequestLine, log_requests

CLIENT = web.RequestKey("client", Client)
_NOT_ANSWERED = 499
"""What the log and the counters say of a request whose client went away, or was cut off (as nginx does)."""
_log = structlog.get_logger(__name__)


def observing(services: Services) -> Middleware:
    """Name the request and its client, count it and log it."""
    network = services.settings.network
    proxies = Proxies(network.trusted_proxies, network.forwarded_header)

    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        address = proxies.client(request.remote or "", request.headers.getall(proxies.header, ()))
        client = Client(address, request_id(request))
        request[CLIENT] = client
        loop = asyncio.get_running_loop()
        started = loop.time()
        services.metrics.began()
        status = _NOT_ANSWERED
        with structlog.contextvars.bound_contextvars(request_id=client.request_id):
            try:
                response = await handler(request)
            except Exception as error:
                status = _NOT_ANSWERED if isinstance(error, ConnectionError) else 500
                raise
            else:
                status = response.status
                return response
            finally:
                seconds = loop.time() - started
                route = request.get(ROUTE)
                services.metrics.ended(request.method, route.pattern if route else NO_ROUTE, status, seconds)
                path = request.raw_path.partition("?")[0]
                log_requests((RequestLine(client.request_id, request.method, path, status, seconds, client.address),))

    return observe


def translating(services: Services) -> Middleware:
    """Turn errors into answers; one that strikes in the middle of an answer cuts the connection (threat 66)."""

    @web.middleware
    async def translate(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except ImagegateError as error:
            if request.writer.output_size > 0:
                _log.warning("answer cut short", problem=str(error))
                if request.transport is not None:
                    request.transport.abort()
                raise ConnectionAbortedError("the answer could not be completed") from error
            return await _answer(services, request, error)
        except web.HTTPException as error:
            return error_answer(WireError(error.status, "UNSUPPORTED", "there is nothing at this address"))
        except ConnectionError:
            raise
        except Exception as error:
            if not (services.settings.console and is_of_console(request.path)) or request.writer.output_size > 0:
                raise
            _log.exception("unexpected error")
            wire = WireError(500, "UNKNOWN", "the gate could not serve this; its log says why")
            return await error_page(request, request.get(ROUTE), error, wire)

    return translate


def naming(services: Services) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """A signal that adds what every answer carries, before its head is sent."""
    secure = services.settings.public_origin.startswith("https://")

    async def name(request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(standing_headers(request.path, secure=secure, request_id=request[CLIENT].request_id))
        if is_of_console(request.path):
            response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
        if services.readiness.is_draining:  # so that a client goes elsewhere with its next request
            response.headers[hdrs.CONNECTION] = "close"
            response.force_close()

    return name


def remembering(services: Services) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """A signal that remembers answers that can be given again. It comes last: then their heads are complete."""

    async def remember(request: web.Request, response: web.StreamResponse) -> None:
        recall = request.get(RECALL)
        credential = read_authorization(request.headers.getall(hdrs.AUTHORIZATION, ())) if recall else None
        if recall is None or not isinstance(credential, BearerCredential):
            return
        again = partial(_again, services.authenticator, recall, request[ROUTE].pattern)
        answered = again(credential.token, request[CLIENT].address)
        if answered is not None:
            services.repeats.remember(request, response, answered, again)

    return remember


def _again(authenticator: Authenticator, recall: Recall, route: str, token: str, address: str) -> Answered | None:
    known = authenticator.recall(token)
    recalled = recall(Caller(known.principal, address, request_id="")) if known else None
    if known is None or recalled is None:
        return None
    is_known, still_allowed = known.holds, recalled.holds
    return Answered(route, address, recalled.record, lambda: is_known() and still_allowed())


async def _answer(services: Services, request: web.Request, error: ImagegateError) -> web.Response:
    wire = to_wire(error)
    if wire.status >= 500:
        _log.error("could not serve", status=wire.status, problem=str(error))
    if services.settings.console and is_of_console(request.path):
        return await error_page(request, request.get(ROUTE), error, wire)
    headers: dict[str, str] = {}
    if isinstance(error, UnauthorizedError):
        headers[hdrs.WWW_AUTHENTICATE] = services.challenger.bearer(error.scope, error.error)
    return error_answer(wire, headers)
