"""/healthz, /readyz and /metrics: open to all, and nothing of any image or person in them."""

from aiohttp import hdrs, web

from proxy.routing import Call
from proxy.telemetry.metrics import CONTENT_TYPE


async def healthz(_call: Call) -> web.StreamResponse:
    """The process answers. Restart it if this does not."""
    return web.json_response({"status": "ok"})


async def readyz(call: Call) -> web.StreamResponse:
    """Whether requests would be served, and what the operator should know. Send no traffic while it is 503."""
    report = await call.services.readiness.report()
    status = "ready" if report.ready else "draining" if report.draining else "not ready"
    return web.json_response(
        {
            "status": status,
            "parts": {name: "ok" if ok else "does not answer" for name, ok in report.parts.items()},
            "warnings": list(report.warnings),
        },
        status=200 if report.ready else 503,
    )


async def metrics(call: Call) -> web.StreamResponse:
    """The counters, for Prometheus."""
    return web.Response(body=await call.services.exposition.text(), headers={hdrs.CONTENT_TYPE: CONTENT_TYPE})
