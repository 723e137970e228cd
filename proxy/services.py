"""The composition root: every part of a running gate, put together once and handed to who needs it."""

import time
from asyncio import to_thread
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from config.settings import Settings
from proxy.clock import Clock, utc_now
from proxy.console.sessions import SessionDesk
from proxy.denials import Denials
from proxy.gate.policy import PolicyFile
from proxy.gate.replay import Replay
from proxy.identity.authenticate import Authenticator
from proxy.identity.challenge import Challenger
from proxy.identity.jwt import BearerTokens
from proxy.identity.keys import CONSOLE, UPLOADS, TokenKeys, load_cipher
from proxy.identity.liveness import Liveness
from proxy.identity.principal import Caller
from proxy.identity.throttle import Throttle
from proxy.identity.uses import TokenUses
from proxy.registry.gatekeeper import Gatekeeper
from proxy.registry.sessions import Observers, UploadDesk
from proxy.repeats import Repeats
from proxy.serving.colleagues import Colleagues
from proxy.serving.tls import ServerTls
from proxy.telemetry.exposition import Exposition
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.readiness import Check, Readiness, Warnings
from proxy.upstream.port import Upstream
from storage import audit, grants
from storage.audit import DENIED, AuditRecord, Event
from storage.database import Database
from storage.grants import Grant

Monotonic = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the face of the gate stands on; the caller owns them, and closes them after the face.

    `inspection` and `audit` are what /readyz asks beside database and upstream, `warnings` what it tells the operator,
    and `further_upstreams` asks registries that only some repositories need. `tls` is None where plain HTTP is served,
    `colleagues` where this is the only process that serves. `replay` finds what a verdict was made of,
    and `denials` counts what is denied.
    """

    database: Database
    upstream: Upstream
    gate: Gatekeeper
    inspection: Check
    audit: Check
    denials: Denials
    warnings: Warnings
    policy: PolicyFile
    replay: Replay
    further_upstreams: Mapping[str, Check] = field(default_factory=dict)
    tls: ServerTls | None = None
    colleagues: Colleagues | None = None


@dataclass(frozen=True, slots=True)
class Services:
    """What handlers reach through a `Call`."""

    settings: Settings
    clock: Clock
    database: Database
    upstream: Upstream
    gate: Gatekeeper
    record: Callable[[AuditRecord], Awaitable[None]]
    denials: Denials
    authenticator: Authenticator
    bearer: BearerTokens
    challenger: Challenger
    uploads: UploadDesk
    console: SessionDesk
    observers: Observers
    metrics: Metrics
    exposition: Exposition
    readiness: Readiness
    repeats: Repeats
    tls: ServerTls | None
    colleagues: Colleagues | None
    policy: PolicyFile
    replay: Replay
    uses: TokenUses

    async def record_denied(self, caller: Caller, detail: str, repository: str = "") -> None:
        """Put on the record that somebody may not do something, unless that was told often enough."""
        denied = AuditRecord(
            at=self.clock(),
            event=Event.ACCESS_DENIED,
            actor=caller.principal.name,
            address=caller.address,
            outcome=DENIED,
            repository=repository,
            request_id=caller.request_id,
            detail=detail,
        )
        if self.denials.is_to_be_told(caller.principal.grant, denied):
            await self.record(denied)

    async def close(self) -> None:
        """Let go of what requests left behind."""
        await self.observers.close()
        self.denials.close()
        await self.uses.write()


async def assemble(
    settings: Settings, parts: Parts, *, clock: Clock = utc_now, monotonic: Monotonic = time.monotonic
) -> Services:
    """Put the face together. Makes the gate's signing keys when it is first used."""
    database = parts.database

    async def load_grant(grant_id: str) -> Grant | None:
        async with database.snapshot() as tx:
            return await grants.get(tx, grant_id)

    async def record(entry: AuditRecord) -> None:
        async with database.transaction() as tx:
            await audit.append(tx, entry)

    bearer = BearerTokens(
        await TokenKeys.load(database, clock, monotonic),
        issuer=settings.tokens.issuer,
        audience=settings.tokens.service,
        lifetime=settings.tokens.lifetime_seconds,
        clock=clock,
    )
    uses = TokenUses(database, clock)
    authenticator = Authenticator(
        bearer=bearer,
        liveness=Liveness(load_grant, clock=clock, monotonic=monotonic),
        throttle=Throttle(
            failures=settings.throttle.failures, window=settings.throttle.window_seconds, monotonic=monotonic
        ),
        record=record,
        used=uses.note,
        clock=clock,
    )
    colleagues = parts.colleagues
    checks = {
        "database": database.check,
        "upstream": parts.upstream.check,
        "inspection": parts.inspection,
        "audit": parts.audit,
    }
    metrics = Metrics()
    further = {f"upstream {prefix}": check for prefix, check in parts.further_upstreams.items()}
    readiness = Readiness(checks, parts.warnings, monotonic, further)
    repeats = Repeats(
        parts.gate.note_repeated, metrics, lambda: readiness.is_draining, clock=clock, monotonic=monotonic
    )
    return Services(
        settings=settings,
        clock=clock,
        database=database,
        upstream=parts.upstream,
        gate=parts.gate,
        record=record,
        denials=parts.denials,
        authenticator=authenticator,
        bearer=bearer,
        challenger=Challenger(f"{settings.public_origin}/auth/token", settings.tokens.service),
        uploads=UploadDesk(await load_cipher(database, UPLOADS, clock), clock),
        console=SessionDesk(
            database,
            await load_cipher(database, CONSOLE, clock),
            clock,
            is_secure=settings.public_origin.startswith("https://"),
        ),
        observers=Observers(parts.gate.observe_upload, settings.inspection.idle_seconds),
        metrics=metrics,
        exposition=Exposition(partial(colleagues.metrics, metrics) if colleagues else partial(to_thread, metrics.text)),
        readiness=readiness,
        repeats=repeats,
        tls=parts.tls,
        colleagues=colleagues,
        policy=parts.policy,
        replay=parts.replay,
        uses=uses,
    )
