"""One image is judged as the gate would, from what was read of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from config.defaults import Profile, profile_text
from config.policy import Policy, Waiver
from config.policy_file import load_policy, load_policy_file
from config.settings import Settings
from proxy.cli.check_question import Asked
from proxy.cli.output import complain
from proxy.cli.reading import ImageInReading
from proxy.clock import utc_now
from proxy.gate.advisories import AdvisoryDesk
from proxy.gate.blob_scans import BlobScans
from proxy.gate.images import ImageInspector
from proxy.gate.judgement import ApprovalsInForce, Judge, Judgement, OnRecord, check_complete
from proxy.gate.malware import MalwareDesk
from proxy.gate.policy import in_force
from proxy.gate.sightings import SightingDesk
from proxy.gate.signatures import SignatureFinder
from proxy.malware.build import malware_scanner
from scanning.approvals import Approvals
from storage.snapshots import Snapshots


async def judge_image(settings: Settings, asked: Asked, image: ImageInReading) -> Judgement:
    """What the gate would say of the image, under the policy that was `asked` for.

    Raises the `ImagegateError` family.
    """
    rules = _policy(settings, asked.policy)
    rules = _without_signatures(rules) if asked.before_signing else rules
    images = ImageInspector(image.source, image.layers)
    scans = BlobScans(image.knowledge, image.source, malware_scanner(settings.inspection), utc_now)
    malware = MalwareDesk(scans, images, image.layers)
    async with _records(settings) as (exceptions, approvals, sightings):
        policy = in_force(rules.with_waivers(exceptions))
        judge = Judge(
            image.knowledge,
            image.source,
            images,
            SignatureFinder(image.knowledge, image.source),
            AdvisoryDesk(Snapshots(settings.advisories_path)),
            OnRecord(approvals, sightings, malware),
            lambda: policy,
            utc_now,
        )
        judgement = await judge.judge(image.repository, image.manifest, image.body)
        check_complete(judgement)
        return judgement


def _policy(settings: Settings, chosen: Path | None) -> Policy:
    if chosen is not None:
        return load_policy_file(chosen)
    if settings.policy_path.exists():
        return load_policy_file(settings.policy_path)
    complain(f"There is no policy at {settings.policy_path}: judging under the evaluation profile.")
    return load_policy(profile_text(Profile.EVALUATION), "evaluation.yaml")


def _without_signatures(policy: Policy) -> Policy:
    rules = tuple(
        rule.model_copy(update={"require": rule.require.model_copy(update={"signatures": None})})
        for rule in policy.rules
    )
    return policy.model_copy(update={"rules": rules})


@asynccontextmanager
async def _records(
    settings: Settings,
) -> AsyncIterator[tuple[tuple[Waiver, ...], ApprovalsInForce, SightingDesk | None]]:
    """What was excepted and approved at the gate that has its state here, and when it first saw packages; nothing where
    none has.
    """
    if not settings.has_database:
        yield (), _nothing_approved, None
        return
    from proxy.cli.gate_records import open_gate_records  # noqa: PLC0415 - brings the database's libraries

    async with open_gate_records(settings) as records:
        yield records


async def _nothing_approved() -> Approvals:
    return Approvals()
