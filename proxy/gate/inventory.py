"""Which images a reference means, and what is in one: a bill of materials made of the facts it was judged by."""

import asyncio
from datetime import datetime

from proxy.errors import BadRequestError, ManifestUnknownError
from scanning.approvals import Approvals
from scanning.documents import decode
from scanning.facts import ImageFacts
from scanning.heritage import trace
from scanning.oci.digest import Digest
from scanning.oci.manifest import ManifestKind
from scanning.oci.names import Repository
from scanning.sbom import SbomFormat, Subject, write_sbom
from scanning.verdict import Verdict
from storage import approvals, documents, manifests, verdicts
from storage.database import Database, Transaction


async def bill_of_materials(database: Database, repository: Repository, digest: Digest, form: SbomFormat) -> bytes:
    """The bill of materials of an image, by its last verdict; of an index, that of the only image it lists.

    Raises `ManifestUnknownError` if it was never judged, and `BadRequestError` naming the images where there are
    several, or saying that it is none.
    """
    async with database.snapshot() as tx:
        verdict = await only_image(tx, repository, digest)
    return await bill_of_materials_of(database, repository, verdict.id, form)


async def bill_of_materials_of(database: Database, repository: Repository, verdict_id: str, form: SbomFormat) -> bytes:
    """The bill of materials of the image that a verdict is about; the same bytes for as long as the image is there.

    Raises `BadRequestError` if it is none.
    """
    async with database.snapshot() as tx:
        verdict = await verdicts.get(tx, verdict_id)
        facts = verdict.inputs.facts if verdict else None
        document = await documents.get(tx, facts) if facts else None
        if verdict is None or document is None:
            raise BadRequestError(f"verdict {verdict_id} of {repository} is about no image: nothing could be listed")
        approved = await approvals.named(tx, verdict.inputs.approvals)
        known = await manifests.find(tx, repository, verdict.digest)
    seen_at = known.first_seen if known else verdict.judged_at
    return await asyncio.to_thread(_write, repository, seen_at, document, approved, form)


async def images_of(tx: Transaction, repository: Repository, digest: Digest) -> tuple[Verdict, ...]:
    """The last verdict on an image or artifact; of an index, those of the images it lists that somebody could run.

    Raises `ManifestUnknownError` if it was never judged.
    """
    verdict = await verdicts.latest(tx, repository, digest)
    if verdict is None:
        raise ManifestUnknownError(f"{repository}@{digest} was never judged: pull it through the gate once")
    if verdict.kind is not ManifestKind.INDEX:
        return (verdict,)
    images: list[Verdict] = []
    for name in verdict.inputs.children:
        child = await verdicts.get(tx, name)
        if child is not None and child.kind is ManifestKind.IMAGE and child.runnable:
            images.append(child)
    return tuple(images)


async def only_image(tx: Transaction, repository: Repository, digest: Digest) -> Verdict:
    """The last verdict on an image; of an index, that of the only image it lists.

    Raises as `images_of` does, and `BadRequestError` naming the images where there are several.
    """
    images = await images_of(tx, repository, digest)
    if len(images) != 1:
        listed = ", ".join(str(image.digest) for image in images)
        raise BadRequestError(
            f"{repository}@{digest} is an index of {len(images)} images; ask for one of them by digest: {listed}"
        )
    return images[0]


def _write(repository: Repository, seen_at: datetime, document: bytes, approved: Approvals, form: SbomFormat) -> bytes:
    facts = decode(ImageFacts, document)
    heritage = trace(facts, approved.bases_for(repository.name))
    return write_sbom(Subject(repository, facts, seen_at, heritage), form)
