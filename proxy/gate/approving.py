"""An administrator approves a base image or packages, or takes that back: recorded and audited in one transaction.

Every process that serves takes notice by itself (`ApprovalDesk`), and judges again what rests on it.
"""

import asyncio
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from config.patterns import RepositoryPattern
from proxy.errors import BadRequestError, ManifestUnknownError, NotFoundError
from proxy.gate.inventory import images_of
from proxy.identity.administrator import Administrator
from proxy.identity.principal import Principal
from proxy.upstream.port import ContentSource
from scanning.approvals import Approval, ApprovalKind, ApprovedSet, BaseContent
from scanning.documents import decode, encode
from scanning.facts import ImageFacts
from scanning.oci.digest import Digest
from scanning.oci.names import ImageReference
from scanning.verdict import Verdict
from storage import approvals, audit, documents, held_tags
from storage.approvals import ApprovalRecord
from storage.audit import AuditRecord, Event
from storage.database import Database, Transaction

_EVENTS = {ApprovalKind.BASE: Event.BASE_APPROVED, ApprovalKind.PACKAGES: Event.PACKAGES_APPROVED}
_LISTED = "imagegate base list and imagegate package list show them"
_LONGEST_NAME = 512
_LONGEST_OWNER = 128


@dataclass(frozen=True, slots=True)
class Act:
    """Who approves, and why. `owner` is whom to ask about it later, `repositories` where it holds."""

    by: Administrator
    owner: str
    reason: str
    repositories: tuple[RepositoryPattern, ...]
    now: datetime


async def meant(database: Database, source: ContentSource, image: ImageReference) -> Digest:
    """The manifest that `image` means, where that can be one only.

    A tag can mean one image to those who pull while another, which somebody pushed since, waits under it: whoever
    approves has looked at one of them. Raises `BadRequestError` then, and `ManifestUnknownError` where there is none.
    """
    if isinstance(image.reference, Digest):
        return image.reference
    async with database.snapshot() as tx:
        waiting = await held_tags.find(tx, image.repository, image.reference)
    stored = await source.get_manifest(image.repository, image.reference)
    found = {one for one in (waiting, stored.digest if stored else None) if one is not None}
    if not found:
        raise ManifestUnknownError(f"there is no {image}, neither behind the gate nor in quarantine")
    if len(found) > 1 and stored is not None:
        raise BadRequestError(
            f"{image} is {stored.digest}, and {waiting} waits in quarantine under that tag: name the one you have"
            f" looked at, as {image.repository}@sha256:…"
        )
    return found.pop()


async def approve_base(
    database: Database, image: ImageReference, digest: Digest, act: Act
) -> tuple[ApprovalRecord, ...]:
    """Approve an image, or every image of an index, as a base to build on. `digest` is what `image` means.

    What is approved already, for the same repositories, is not recorded twice. Raises `ManifestUnknownError` if it was
    never judged, and `BadRequestError` if it is nothing that could be built on.
    """
    async with database.snapshot() as tx:
        images = await images_of(tx, image.repository, digest)
        found = [(verdict, await _facts(tx, verdict)) for verdict in images]
    contents = [await asyncio.to_thread(_base, verdict, document) for verdict, document in found]
    if not contents:
        raise BadRequestError(f"{image} lists no image that was judged; push or pull its images through the gate once")
    return await _record(database, ApprovalKind.BASE, str(image), contents, act)


async def approve_packages(database: Database, source: str, purls: Iterable[str], act: Act) -> ApprovalRecord:
    """Approve packages. `source` is where they were seen. Raises `BadRequestError` if there are none."""
    packages = tuple(sorted(set(purls)))
    if not packages:
        raise BadRequestError(f"there is no package to approve in {source}")
    (record,) = await _record(database, ApprovalKind.PACKAGES, source, [encode(ApprovedSet(packages))], act)
    return record


async def revoke(database: Database, approval_id: str, by: Administrator, now: datetime) -> ApprovalRecord:
    """Take an approval back. Raises `NotFoundError` if there is none in force with this id."""
    async with database.transaction() as tx:
        record = await approvals.get(tx, approval_id)
        if record is None or not await approvals.revoke(tx, approval_id, by.name, now):
            raise NotFoundError(f"there is no approval {approval_id[:40]} in force; {_LISTED}")
        await audit.append(tx, _audit(Event.APPROVAL_REVOKED, record, by, now))
    return record


async def known(database: Database, approval_id: str, principal: Principal) -> ApprovalRecord:
    """An approval, in force or not, that holds in repositories of `principal`. Raises `NotFoundError`."""
    async with database.snapshot() as tx:
        record = await approvals.get(tx, approval_id)
    if record is None or not principal.is_concerned_by(record.approval.repositories):
        raise NotFoundError(f"there is no approval {approval_id[:40]}; {_LISTED}")
    return record


def as_document(record: ApprovalRecord) -> dict[str, Any]:
    """An approval as JSON for programs: what /api/v1/approvals, `imagegate base` and `imagegate package` give."""
    approval = record.approval
    return {
        "id": approval.id,
        "kind": approval.kind,
        "name": approval.name,
        "repositories": [str(pattern) for pattern in approval.repositories],
        "content": str(approval.content),
        "owner": record.owner,
        "reason": record.reason,
        "approved_at": record.approved_at.isoformat(),
        "approved_by": record.approved_by,
        "revoked_at": record.revoked_at.isoformat() if record.revoked_at else None,
        "revoked_by": record.revoked_by or None,
    }


async def read_base(database: Database, record: ApprovalRecord) -> BaseContent:
    """What an approved base image holds."""
    return decode(BaseContent, await _content(database, record))


async def read_packages(database: Database, record: ApprovalRecord) -> tuple[str, ...]:
    """The purls of an approval, of a base image or of packages."""
    content = await _content(database, record)
    if record.approval.kind is ApprovalKind.BASE:
        return decode(BaseContent, content).packages
    return decode(ApprovedSet, content).packages


async def _content(database: Database, record: ApprovalRecord) -> bytes:
    async with database.snapshot() as tx:
        content = await documents.get(tx, record.approval.content)
    if content is None:
        raise NotFoundError(f"the content of approval {record.approval.id} is not there any more")
    return content


async def _facts(tx: Transaction, verdict: Verdict) -> bytes:
    document = await documents.get(tx, verdict.inputs.facts) if verdict.inputs.facts else None
    if document is None:
        raise BadRequestError(f"{verdict.repository}@{verdict.digest} is no image, so nothing is built on it")
    return document


def _base(verdict: Verdict, document: bytes) -> bytes:
    facts = decode(ImageFacts, document)
    name = f"{verdict.repository}@{verdict.digest}"
    if not facts.is_understood:
        reasons = (*facts.problems, *(refusal.reason for refusal in facts.refusals))
        raise BadRequestError(f"{name} cannot be approved: it cannot be inspected: {reasons[0]}")
    if facts.artifact is not None or not facts.diff_ids:
        raise BadRequestError(f"{name} has no layers of an image, so nothing is built on it")
    release = facts.distribution
    return encode(
        BaseContent(
            repository=verdict.repository,
            manifest=verdict.digest,
            platform=str(facts.platform),
            distribution=(release.pretty_name or release.id) if release else "",
            layers=facts.layers,
            diff_ids=facts.diff_ids,
            packages=tuple(sorted({package.purl for package in facts.packages})),
            programs=tuple(sorted({file.sha256 for file in facts.unowned})),
        )
    )


async def _record(
    database: Database, kind: ApprovalKind, name: str, contents: Iterable[bytes], act: Act
) -> tuple[ApprovalRecord, ...]:
    if not act.reason.strip() or not act.owner.strip() or not act.repositories:
        raise BadRequestError("an approval needs an owner, a reason and at least one pattern of repositories")
    recorded: list[ApprovalRecord] = []
    async with database.transaction() as tx:
        known = [one for one in await approvals.list_all(tx, kind) if one.revoked_at is None]
        for content in contents:
            digest = Digest.of(content)
            same = next(
                (
                    one
                    for one in known
                    if one.approval.content == digest and one.approval.repositories == act.repositories
                ),
                None,
            )
            if same is not None:
                recorded.append(same)
                continue
            approval = Approval(secrets.token_hex(8), kind, name[:_LONGEST_NAME], act.repositories, digest)
            record = ApprovalRecord(approval, act.owner[:_LONGEST_OWNER], act.reason, act.now, act.by.name)
            await approvals.add(tx, record, content)
            await audit.append(tx, _audit(_EVENTS[kind], record, act.by, act.now))
            recorded.append(record)
    return tuple(recorded)


def _audit(event: Event, record: ApprovalRecord, by: Administrator, now: datetime) -> AuditRecord:
    approval = record.approval
    where = ", ".join(map(str, approval.repositories))
    detail = f"approval {approval.id} of {approval.name} for {where}, owner {record.owner}: {record.reason}"
    return by.record(now, event, digest=str(approval.content), detail=detail)
