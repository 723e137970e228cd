"""All that is known of an image: its last verdict with what that was made of, and how it differs from another."""

import asyncio
import json
from typing import Any

from proxy.errors import BadRequestError, ManifestUnknownError
from proxy.gate.content import read_blob
from proxy.gate.inventory import only_image
from proxy.gate.replay import Replay
from proxy.upstream.port import ContentSource
from scanning.contents import programs_of
from scanning.difference import Difference, Side, compare
from scanning.documents import encode
from scanning.facts import LayerFacts
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from scanning.oci.read import MAX_CONFIG_BYTES, read_config
from scanning.rules.case import Case
from scanning.verdict import Verdict
from storage import layers, verdicts
from storage.database import Database

Known = tuple[Verdict, Case]


async def known_of(database: Database, replay: Replay, repository: Repository, digest: Digest) -> tuple[Known, ...]:
    """The last verdict on a manifest and what it was made of; for an index, those of its images as well.

    Raises `ManifestUnknownError` if it was never judged, and `NotFoundError` if something of it is gone.
    """
    async with database.snapshot() as tx:
        newest = await verdicts.latest(tx, repository, digest)
    if newest is None:
        raise ManifestUnknownError(f"{repository}@{digest} was never judged: pull it through the gate once")
    found = [newest]
    for child in newest.inputs.children:
        found.append(await replay.get(child))  # noqa: PERF401 (an await for each)
    return tuple([(verdict, (await replay.case(verdict))[0]) for verdict in found])


def as_document(verdict: Verdict, case: Case) -> dict[str, Any]:
    """It as JSON for programs: what `imagegate image show --json` and /api/v1/images give."""
    return {
        "verdict": json.loads(encode(verdict)),
        "facts": json.loads(encode(case.facts)) if case.facts else None,
        "advisories": json.loads(encode(case.advisories)),
        "signatures": json.loads(encode(case.signatures)),
        "base": _base(case),
    }


def _base(case: Case) -> dict[str, Any] | None:
    """The approved base image, and which packages of the image it brought."""
    heritage = case.heritage
    if heritage.base is None or case.facts is None:
        return None
    inherited = sorted({package.purl for package in case.facts.packages if heritage.has(package)})
    return {"name": heritage.name, "layers": len(heritage.base.content.layers), "packages": inherited}


async def difference(
    database: Database,
    replay: Replay,
    source: ContentSource,
    before: tuple[Repository, Digest],
    after: tuple[Repository, Digest],
) -> Difference:
    """How the second image differs from the first; an index stands for the only image that it lists.

    Raises as `only_image` does, and `BadRequestError` for what is no image.
    """
    sides = [await _side(database, replay, source, *each) for each in (before, after)]
    return await asyncio.to_thread(compare, *sides)


async def _side(
    database: Database, replay: Replay, source: ContentSource, repository: Repository, digest: Digest
) -> Side:
    """All that is known of an image, and what its last verdict knew of advisories."""
    async with database.snapshot() as tx:
        verdict = await only_image(tx, repository, digest)
    case, _ = await replay.case(verdict)
    if case.facts is None:
        raise BadRequestError(f"{repository}@{digest} is no image: nothing was inspected that could be compared")
    async with database.snapshot() as tx:
        known = await layers.find(tx, case.facts.layers)
    found = [known.get(layer) for layer in case.facts.layers]
    read = [layer for layer in found if isinstance(layer, LayerFacts)]
    programs = await asyncio.to_thread(programs_of, read) if len(read) == len(found) else None
    config = case.manifest.config
    body = await read_blob(source, repository, config, MAX_CONFIG_BYTES) if config else None
    return Side(
        case.facts, case.advisories, case.heritage.name, read_config(body) if body is not None else None, programs
    )
