"""A whole gate without its HTTP face, and the people and things that meet it."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from config.patterns import RepositoryPattern
from proxy.ahead import AHEAD
from proxy.denials import Denials
from proxy.gate.advisories import AdvisoryDesk
from proxy.gate.approvals import ApprovalDesk
from proxy.gate.approving import Act, approve_base, approve_packages, revoke
from proxy.gate.behind import NOTING
from proxy.gate.gate import Gate
from proxy.gate.policy import PolicyFile
from proxy.gate.push import PushedManifest
from proxy.gate.replay import Replay
from proxy.identity.administrator import Administrator
from proxy.identity.principal import Caller, Principal, Role
from proxy.inspection.pool import InspectionPool, RunningInspection
from proxy.upstream.port import StoredManifest, Upstream
from scanning.advisories.exploitation import Exploited
from scanning.advisories.lifecycle import Release
from scanning.advisories.osv import Advisory
from scanning.layers.limits import InspectionLimits
from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor
from scanning.oci.names import ImageReference, Reference, Repository, Tag
from scanning.verdict import Verdict
from storage import audit, verdicts
from storage.approvals import ApprovalRecord
from storage.audit import AuditRecord
from storage.audit_spool import AuditSpool
from storage.database import Database
from storage.snapshot import EXPLOITED, Feed, Snapshot, releases_of
from storage.snapshots import Snapshots
from tests.images import TestImage
from tests.proxy.face import Time

PUBLIC_URL = "http://gate.example"
BUSY_RATE = 1 << 20
LATEST = Tag("latest")

REFUSE_SSH = {"tools": {"kinds": ["ssh-client", "ssh-server"]}}
REFUSE_FINDINGS = {"findings": {"severity": "high"}}


def policy_text(
    *,
    deny: Mapping[str, Any] | None = None,
    require: Mapping[str, Any] | None = None,
    signers: Mapping[str, str] | None = None,
    waivers: Sequence[Mapping[str, Any]] = (),
    repositories: Sequence[str] = ("**",),
    **rule: Any,
) -> str:
    """A policy of one rule. `signers` are PEM keys by name."""
    only = {"repositories": list(repositories), "deny": dict(deny or {}), "require": dict(require or {}), **rule}
    return json.dumps(
        {
            "version": 1,
            "signers": {name: {"key": key} for name, key in (signers or {}).items()},
            "rules": [only],
            "waivers": [*waivers],
        }
    )


def wants_signature(*names: str, **more: Any) -> dict[str, Any]:
    """A requirement of signatures."""
    return {"signatures": {"of": [*names], **more}}


def layers_of(image: TestImage) -> tuple[Digest, ...]:
    """The layers of an image, the lowest first."""
    return tuple(Digest.parse(layer["digest"]) for layer in json.loads(image.manifest)["layers"])


def caller(role: Role, name: str) -> Caller:
    """Somebody who may do on every repository what `role` may."""
    principal = Principal(f"grant-{name}", name, role, (RepositoryPattern("**"),))
    return Caller(principal, "192.0.2.7", f"request-of-{name}")


class WatchedPool(InspectionPool):
    """Counts the layers that are read back; makes them wait for `gate`, or kills their worker, if a test wants it."""

    def __init__(self, limits: InspectionLimits = InspectionLimits(), size: int = 1) -> None:  # noqa: B008  # frozen
        super().__init__(size, limits)
        self.begun = 0
        self.gate = asyncio.Event()
        self.reached = asyncio.Event()
        self._alarms: list[tuple[int, asyncio.Event]] = []
        self.kills_worker = False
        self.reset()

    def reset(self) -> None:
        """Nothing counted, nothing held up, nobody killed."""
        self.begun = 0
        self._alarms.clear()
        self.gate.set()
        self.reached.clear()
        self.kills_worker = False

    async def waits_for(self, count: int) -> None:
        """Return when `count` layers have been asked for."""
        reached = asyncio.Event()
        self._alarms.append((count, reached))
        self._ring()
        await reached.wait()

    def _ring(self) -> None:
        for count, alarm in self._alarms:
            if self.begun >= count:
                alarm.set()

    async def begin(self, tenant: str = "") -> RunningInspection:
        self.begun += 1
        self._ring()
        self.reached.set()
        await self.gate.wait()
        running = await super().begin(tenant)
        if self.kills_worker:
            os.kill(running.process, signal.SIGKILL)
        return running


@dataclass
class World:
    """The gate with everything around it. `repository` is nobody else's."""

    database: Database
    upstream: Upstream
    gate: Gate
    pool: WatchedPool
    policy: PolicyFile
    policy_path: Path
    desk: AdvisoryDesk
    approvals: ApprovalDesk
    snapshots: Snapshots
    spool: AuditSpool
    denials: Denials
    time: Time
    repository: Repository
    pusher: Caller = field(default_factory=lambda: caller(Role.DEVELOPER, "ci"))
    operator: Caller = field(default_factory=lambda: caller(Role.OPERATOR, "cluster"))
    admin: Caller = field(default_factory=lambda: caller(Role.ADMIN, "alice"))

    async def upload(self, image: TestImage) -> None:
        """Put the blobs of an image, and of those it lists, behind the gate, which looks at none of them."""
        for child in image.children:
            await self.upload(child)
        for digest, content in image.blobs.items():
            upload = await self.upstream.begin_upload(self.repository)
            upload = await self.upstream.append(self.repository, upload, _once(content))
            await self.upstream.finish_upload(self.repository, upload, digest)

    async def push(self, image: TestImage, reference: Reference = LATEST) -> PushedManifest:
        """Push as a client does: blobs, then what an index lists by digest, then the manifest."""
        await self.upload(image)
        for child in image.children:
            await self.push(child, child.digest)
        return await self.push_manifest(image, reference)

    async def push_manifest(
        self, image: TestImage, reference: Reference = LATEST, who: Caller | None = None
    ) -> PushedManifest:
        """Push the manifest alone, as the developer unless told otherwise."""
        pusher = who or self.pusher
        return await self.gate.push_manifest(pusher, self.repository, reference, image.media_type, image.manifest)

    async def delete(self, reference: Reference) -> None:
        """Delete a manifest or a tag, as the admin."""
        await self.gate.delete_manifest(self.admin, self.repository, reference)

    async def put_behind(self, image: TestImage, reference: Reference = LATEST) -> None:
        """Put an image on the upstream without the gate's knowledge."""
        await self.upload(image)
        for child in image.children:
            await self.put_behind(child, child.digest)
        await self.upstream.put_manifest(self.repository, reference, image.media_type, image.manifest)

    async def pull(
        self, reference: Reference = LATEST, who: Caller | None = None, *, head: bool = False
    ) -> StoredManifest:
        """Pull a manifest, as the operator unless told otherwise."""
        return await self.gate.pull_manifest(who or self.operator, self.repository, reference, head=head)

    async def check_blob(self, digest: Digest, who: Caller | None = None) -> None:
        """Ask for a blob, as the operator unless told otherwise."""
        await self.gate.check_blob(who or self.operator, self.repository, digest)

    async def behind(self, reference: Reference) -> Digest | None:
        """What the upstream holds under `reference`."""
        stored = await self.upstream.get_manifest(self.repository, reference)
        return stored.digest if stored else None

    async def verdict(self, digest: Digest) -> Verdict:
        """The last verdict on a manifest."""
        async with self.database.snapshot() as tx:
            found = await verdicts.latest(tx, self.repository, digest)
        assert found is not None
        return found

    async def verdicts(self) -> tuple[Verdict, ...]:
        """Every verdict, oldest first."""
        async with self.database.snapshot() as tx:
            return tuple(reversed(await verdicts.list_newest(tx, limit=1000)))

    async def audited(self) -> list[AuditRecord]:
        """The audit, oldest first."""
        await self.spool.drain()
        async with self.database.snapshot() as tx:
            return [record for _, record in reversed(await audit.newest(tx, limit=1000))]

    async def change_policy(self, text: str) -> None:
        """Write a new policy and let the gate see it, as a running gate does."""
        self.time.passed += 1
        self.policy_path.write_text(text)

        async def changed(_: object) -> None:
            await self.gate.promotion.reconsider_all()

        await self.policy.reload_if_changed(changed)

    async def publish_advisories(self, *advisories: Advisory, ecosystem: str = "Debian") -> Snapshot:
        """Import advisories and let the gate see them, as a running gate does."""
        self.time.passed += 1
        return await self._publish(self.snapshots.stage(ecosystem, advisories, self.time.now()))

    async def publish_exploited(self, *cves: str) -> Snapshot:
        """Import a catalogue of exploited vulnerabilities, and let the gate see it."""
        self.time.passed += 1
        now = self.time.now()
        entries = ((cve, Exploited(cve, now.date())) for cve in cves)
        return await self._publish(self.snapshots.stage_supplement(EXPLOITED, entries, now, now))

    async def publish_release(self, distribution: str, release: Release) -> Snapshot:
        """Import how long a release is supported, and let the gate see it."""
        self.time.passed += 1
        now = self.time.now()
        entries = ((name, release) for name in release.names)
        feed = self.snapshots.stage_supplement(releases_of(distribution), entries, now, now)
        return await self._publish(feed)

    async def _publish(self, feed: Feed) -> Snapshot:
        snapshot = self.snapshots.publish([feed], self.time.now())
        await self.desk.reload_if_changed(self.gate.promotion.reconsider_all)
        return snapshot

    async def approve_base(self, image: TestImage, *repositories: str) -> tuple[ApprovalRecord, ...]:
        """Approve a base image that was pushed, and let the gate see it, as a running gate does."""
        self.time.passed += 1
        reference = ImageReference(self.repository, image.digest)
        made = await approve_base(self.database, reference, image.digest, self.act(*repositories))
        await self.approvals.reload_if_changed(self.gate.promotion.reconsider_all)
        return made

    async def approve_packages(self, *purls: str, repositories: Sequence[str] = ()) -> ApprovalRecord:
        """Approve packages, and let the gate see it."""
        self.time.passed += 1
        made = await approve_packages(self.database, "a list", purls, self.act(*repositories))
        await self.approvals.reload_if_changed(self.gate.promotion.reconsider_all)
        return made

    async def revoke(self, record: ApprovalRecord) -> None:
        """Take an approval back, and let the gate see it."""
        self.time.passed += 1
        await revoke(self.database, record.approval.id, Administrator("bob", "console"), self.time.now())
        await self.approvals.reload_if_changed(self.gate.promotion.reconsider_all)

    def act(self, *repositories: str) -> Act:
        """An approval by alice, everywhere unless told otherwise."""
        patterns = tuple(map(RepositoryPattern, repositories or ("**",)))
        return Act(Administrator("alice", "console"), "team base", "looked at", patterns, self.time.now())

    @property
    def replay(self) -> Replay:
        """Judges old cases again."""
        return Replay(self.database, self.desk)

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.time.passed += seconds

    async def noted(self) -> None:
        """Wait until it is on record what the upstream was found to have."""
        while noting := [task for task in asyncio.all_tasks() if task.get_name() == NOTING]:
            await asyncio.wait(noting)

    async def looked_ahead(self) -> None:
        """Wait until everything is looked up again that is under way to be."""
        await looked_ahead()

    async def referrers(self, subject: Digest, who: Caller | None = None) -> tuple[Descriptor, ...]:
        """Ask what refers to `subject`, as the operator unless told otherwise."""
        return await self.gate.referrers(who or self.operator, self.repository, subject)


async def looked_ahead() -> None:
    """Wait until what this process looks up again is known."""
    while ahead := [task for task in asyncio.all_tasks() if task.get_name() == AHEAD]:
        await asyncio.wait(ahead)


def scoped(caller: Caller, name: str) -> Caller:
    """The same person under another request."""
    return replace(caller, request_id=name)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
