"""The route table: every address of the gate, and what it asks of its caller. Nothing else is served."""

from aiohttp import HttpVersion11, hdrs, web

from proxy.admin import approvals, audit, images, policy, signers, tokens, verdicts, waivers
from proxy.answers import is_of_console
from proxy.console import approvals as approval_pages
from proxy.console import audit as audit_pages
from proxy.console import exceptions as exception_pages
from proxy.console import images as image_pages
from proxy.console import overview, signing_in, static_files
from proxy.console import policy as policy_pages
from proxy.console import signers as signer_pages
from proxy.console import tokens as token_pages
from proxy.console import verdicts as verdict_pages
from proxy.console.pages import changing
from proxy.enforcement import Enforcer
from proxy.guard import CONTINUE, check_request
from proxy.identity import endpoint
from proxy.middleware import CLIENT, naming, observing, remembering, translating
from proxy.registry import base, blobs, catalog, manifests, referrers, tags, uploads
from proxy.routing import Access, Route, Router
from proxy.services import Services
from proxy.telemetry import endpoints

_MANIFEST = "/v2/{repository}/manifests/{reference}"
_BLOB = "/v2/{repository}/blobs/{digest}"
_UPLOADS = "/v2/{repository}/blobs/uploads/"
_UPLOAD = "/v2/{repository}/blobs/uploads/{upload}"

ROUTES = (
    Route("GET", "/v2/", Access.SIGNED_IN, base.check),
    Route("GET", "/v2/_catalog", Access.CATALOG, catalog.list_repositories),
    Route("GET", "/v2/{repository}/tags/list", Access.PULL, tags.list_tags),
    Route("GET", "/v2/{repository}/referrers/{digest}", Access.PULL, referrers.list_referrers),
    Route("GET", _MANIFEST, Access.PULL, manifests.get),
    Route("PUT", _MANIFEST, Access.PUSH, manifests.put),
    Route("DELETE", _MANIFEST, Access.DELETE, manifests.delete),
    Route("GET", _UPLOAD, Access.PUSH, uploads.status),
    Route("PATCH", _UPLOAD, Access.PUSH, uploads.append),
    Route("PUT", _UPLOAD, Access.PUSH, uploads.finish),
    Route("DELETE", _UPLOAD, Access.PUSH, uploads.cancel),
    Route("POST", _UPLOADS, Access.PUSH, uploads.start),
    Route("GET", _BLOB, Access.PULL, blobs.get),
    Route("DELETE", _BLOB, Access.DELETE, blobs.delete),
    Route("GET", "/auth/token", Access.NONE, endpoint.by_query),
    Route("POST", "/auth/token", Access.NONE, endpoint.by_form),
    Route("GET", "/api/v1/verdicts", Access.SIGNED_IN, verdicts.newest),
    Route("GET", "/api/v1/verdicts/{id}", Access.SIGNED_IN, verdicts.show),
    Route("GET", "/api/v1/images", Access.SIGNED_IN, images.listing),
    Route("GET", "/api/v1/images/{repository}/{reference}/sbom", Access.PULL, images.sbom),
    Route("GET", "/api/v1/images/{repository}/{reference}/diff", Access.PULL, images.diff),
    Route("GET", "/api/v1/images/{repository}/{reference}", Access.PULL, images.show),
    Route("GET", "/api/v1/approvals", Access.SIGNED_IN, approvals.listing),
    Route("POST", "/api/v1/approvals", Access.SIGNED_IN, approvals.approve),
    Route("GET", "/api/v1/approvals/{id}", Access.SIGNED_IN, approvals.show),
    Route("DELETE", "/api/v1/approvals/{id}", Access.SIGNED_IN, approvals.revoke),
    Route("GET", "/api/v1/audit", Access.SIGNED_IN, audit.listing),
    Route("GET", "/api/v1/policy", Access.SIGNED_IN, policy.show),
    Route("PUT", "/api/v1/policy", Access.SIGNED_IN, policy.replace),
    Route("POST", "/api/v1/policy/check", Access.SIGNED_IN, policy.check),
    Route("GET", "/api/v1/signers", Access.SIGNED_IN, signers.listing),
    Route("POST", "/api/v1/signers", Access.SIGNED_IN, signers.add),
    Route("DELETE", "/api/v1/signers/{id}", Access.SIGNED_IN, signers.remove),
    Route("GET", "/api/v1/waivers", Access.SIGNED_IN, waivers.listing),
    Route("POST", "/api/v1/waivers", Access.SIGNED_IN, waivers.create),
    Route("GET", "/api/v1/waivers/{id}", Access.SIGNED_IN, waivers.show),
    Route("DELETE", "/api/v1/waivers/{id}", Access.SIGNED_IN, waivers.end),
    Route("GET", "/api/v1/tokens", Access.SIGNED_IN, tokens.listing),
    Route("POST", "/api/v1/tokens", Access.SIGNED_IN, tokens.create),
    Route("GET", "/api/v1/tokens/{id}", Access.SIGNED_IN, tokens.show),
    Route("DELETE", "/api/v1/tokens/{id}", Access.SIGNED_IN, tokens.revoke),
    Route("GET", "/healthz", Access.NONE, endpoints.healthz),
    Route("GET", "/readyz", Access.NONE, endpoints.readyz),
    Route("GET", "/metrics", Access.NONE, endpoints.metrics),
    Route("GET", "/", Access.NONE, static_files.home),
    Route("GET", "/console", Access.NONE, static_files.overview),
    Route("GET", "/console/", Access.CONSOLE, overview.show),
    Route("GET", "/console/style.css", Access.NONE, static_files.style),
    Route("GET", "/console/icon.svg", Access.NONE, static_files.icon),
    Route("GET", "/console/sign-in", Access.NONE, signing_in.sign_in_page),
    Route("POST", "/console/sign-in", Access.NONE, signing_in.sign_in),
    Route("POST", "/console/sign-out", Access.CONSOLE, changing(signing_in.sign_out)),
    Route("GET", "/console/images", Access.CONSOLE, image_pages.listing),
    Route("GET", "/console/images/behind", Access.CONSOLE, image_pages.list_behind),
    Route("GET", "/console/image", Access.CONSOLE, image_pages.show),
    Route("GET", "/console/image/diff", Access.CONSOLE, image_pages.diff),
    Route("GET", "/console/image/sbom", Access.CONSOLE, image_pages.sbom),
    Route("GET", "/console/tokens", Access.CONSOLE, token_pages.listing),
    Route("POST", "/console/tokens", Access.CONSOLE, changing(token_pages.create)),
    Route("GET", "/console/tokens/{id}", Access.CONSOLE, token_pages.show),
    Route("POST", "/console/tokens/{id}/revoke", Access.CONSOLE, changing(token_pages.revoke)),
    Route("GET", "/console/policy", Access.CONSOLE, policy_pages.show),
    Route("GET", "/console/policy/edit", Access.CONSOLE, policy_pages.edit),
    Route("POST", "/console/policy/edit", Access.CONSOLE, changing(policy_pages.change)),
    Route("GET", "/console/signers", Access.CONSOLE, signer_pages.listing),
    Route("POST", "/console/signers", Access.CONSOLE, changing(signer_pages.add)),
    Route("GET", "/console/signers/{id}", Access.CONSOLE, signer_pages.show),
    Route("POST", "/console/signers/{id}/remove", Access.CONSOLE, changing(signer_pages.remove)),
    Route("GET", "/console/exceptions", Access.CONSOLE, exception_pages.listing),
    Route("POST", "/console/exceptions", Access.CONSOLE, changing(exception_pages.create)),
    Route("GET", "/console/exceptions/{id}", Access.CONSOLE, exception_pages.show),
    Route("POST", "/console/exceptions/{id}/end", Access.CONSOLE, changing(exception_pages.end)),
    Route("GET", "/console/approvals", Access.CONSOLE, approval_pages.listing),
    Route("POST", "/console/approvals", Access.CONSOLE, changing(approval_pages.approve)),
    Route("GET", "/console/approvals/{id}", Access.CONSOLE, approval_pages.show),
    Route("POST", "/console/approvals/{id}/revoke", Access.CONSOLE, changing(approval_pages.revoke)),
    Route("GET", "/console/audit", Access.CONSOLE, audit_pages.listing),
    Route("GET", "/console/audit/download", Access.CONSOLE, audit_pages.download),
    Route("GET", "/console/verdicts", Access.CONSOLE, verdict_pages.listing),
    Route("GET", "/console/verdicts/{id}", Access.CONSOLE, verdict_pages.show),
    Route("GET", "/console/verdicts/{id}/replay", Access.CONSOLE, verdict_pages.replay),
)


def build_app(services: Services) -> web.Application:
    """The gate as an aiohttp application. The caller closes `services` after it."""
    has_console = services.settings.console
    routes = (route for route in ROUTES if has_console or not _is_for_browsers(route))
    enforcer = Enforcer(Router.of(routes), services)

    async def dispatch(request: web.Request) -> web.StreamResponse:
        return await enforcer.answer(request, check_request(request), request[CLIENT])

    app = web.Application(middlewares=[observing(services), translating(services)])
    app.on_response_prepare.append(naming(services))
    app.on_response_prepare.append(remembering(services))
    app.router.add_route("*", "/{path:.*}", dispatch, expect_handler=_go_ahead)
    return app


def _is_for_browsers(route: Route) -> bool:
    return route.pattern == "/" or is_of_console(route.pattern)


async def _go_ahead(request: web.Request) -> None:
    """Have the body sent to a client that waits with it (RFC 9110, 10.1.1). What else a client expects is refused later
    (`proxy.guard`): here it would be an answer that nobody logs, nor puts into the registry's form.
    """
    if request.headers.get(hdrs.EXPECT, "").lower() == CONTINUE and request.version == HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
