"""Puts the use cases of the gate together."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from config.settings import RecordQuota
from proxy.clock import Clock
from proxy.denials import Denials
from proxy.gate.admissions import Admissions
from proxy.gate.advisories import AdvisoryDesk
from proxy.gate.approvals import ApprovalDesk
from proxy.gate.behind import Behind
from proxy.gate.blob_scans import BlobScans
from proxy.gate.claims import ReadingClaims
from proxy.gate.deletion import Deletion
from proxy.gate.downgrades import Downgrades
from proxy.gate.gate import Gate
from proxy.gate.images import ImageInspector
from proxy.gate.judgement import Judge, OnRecord
from proxy.gate.layers import LayerInspector
from proxy.gate.malware import MalwareDesk
from proxy.gate.pace import UploadPace
from proxy.gate.policy import PolicyFile
from proxy.gate.promotion import Promotion
from proxy.gate.pull import Pull
from proxy.gate.push import Guards, Push
from proxy.gate.recorded import RecordedKnowledge
from proxy.gate.records import Records
from proxy.gate.referrers import Referrers
from proxy.gate.rescanning import Rescanning
from proxy.gate.room import Room
from proxy.gate.sightings import SightingDesk
from proxy.gate.signatures import SignatureFinder
from proxy.gate.standing import StandingVerdicts
from proxy.gate.tag_views import TagViews
from proxy.gate.tags import TagGuard
from proxy.gate.trail import Trail
from proxy.gate.upkeep import Upkeep
from proxy.inspection.pool import InspectionPool
from proxy.malware.scanner import MalwareScanner
from proxy.upstream.port import Upstream
from storage.audit_spool import AuditSpool
from storage.database import Database


@dataclass(frozen=True, slots=True)
class GateParts:
    """What a gate stands on.

    `public_url` is the address that refusals name, `monotonic` counts seconds; `observes_uploads` says whether layers
    are inspected while they are uploaded, or read back afterwards: while the `pace` of uploads is calm, or when a
    manifest names them. Where several processes serve, they share `claims` of what is read back. `fresh` is how long it
    is believed that the upstream has a manifest that it had. `scanner` looks for malware, and again at what it looked
    at longer ago than `rescan_every` (zero: never). `record_quotas` bound how many manifests and tags are on record,
    `records_per_repository` where none of them does.
    """

    database: Database
    upstream: Upstream
    pool: InspectionPool
    policy: PolicyFile
    advisories: AdvisoryDesk
    approvals: ApprovalDesk
    clock: Clock
    public_url: str
    spool: AuditSpool
    denials: Denials
    monotonic: Callable[[], float] = time.monotonic
    observes_uploads: bool = True
    pace: UploadPace = field(default_factory=UploadPace)
    fresh: timedelta = timedelta(0)
    scanner: MalwareScanner | None = None
    rescan_every: timedelta = timedelta(0)
    record_quotas: Sequence[RecordQuota] = ()
    records_per_repository: int = 100_000
    claims: ReadingClaims = field(default_factory=ReadingClaims)


def build_gate(parts: GateParts) -> Gate:
    """Make a gate; what it stands on stays the caller's to close."""
    database, upstream, clock = parts.database, parts.upstream, parts.clock
    pace = parts.pace
    knowledge = RecordedKnowledge(database, clock)
    scans = BlobScans(knowledge, upstream, parts.scanner, clock)
    layers = LayerInspector(
        knowledge,
        upstream,
        parts.pool,
        scans=scans,
        observes_uploads=parts.observes_uploads,
        pace=pace,
        claims=parts.claims,
    )
    images = ImageInspector(upstream, layers)
    signatures = SignatureFinder(knowledge, upstream)
    judge = Judge(
        knowledge,
        upstream,
        images,
        signatures,
        parts.advisories,
        OnRecord(parts.approvals.now, SightingDesk(knowledge), MalwareDesk(scans, images, layers)),
        lambda: parts.policy.current,
        clock,
    )
    trail = Trail(parts.spool, parts.denials, clock)
    admissions = Admissions(parts.monotonic)
    guard = TagGuard(database, upstream, lambda: parts.policy.current)
    downgrades = Downgrades(database)
    promotion = Promotion(database, upstream, judge, admissions, guard, downgrades, trail, clock)
    standing = StandingVerdicts(
        database,
        Records(database),
        admissions,
        lambda: parts.policy.current,
        parts.advisories,
        lambda: parts.approvals.current,
        clock,
    )
    views = TagViews(database, upstream, promotion, lambda: parts.policy.current)
    pull = Pull(
        database,
        Behind(database, upstream, admissions, clock, parts.fresh),
        judge,
        promotion,
        standing,
        views,
        trail,
        parts.public_url,
    )
    referrers = Referrers(database, signatures, lambda: parts.policy.current, parts.advisories, clock)
    room = Room(database, parts.record_quotas, parts.records_per_repository)
    guards = Guards(parts.denials, room, guard, referrers)
    push = Push(database, images, judge, promotion, guards, trail, clock, parts.public_url)
    deletion = Deletion(database, upstream, promotion, guard, trail)
    rescanning = Rescanning(database, scans, layers, promotion, clock, parts.rescan_every, pace, parts.monotonic)
    upkeep = Upkeep(promotion, rescanning)
    return Gate(database, upstream, layers, push, pull, deletion, upkeep, lambda: parts.policy.current)
