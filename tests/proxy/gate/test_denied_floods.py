"""Whoever holds a token fills no database with what he is refused."""

import json
from dataclasses import replace

import pytest

from proxy.errors import DeniedError, TooManyRequestsError
from proxy.identity.principal import Role
from proxy.upstream.embedded import EmbeddedUpstream
from scanning.errors import InvalidManifestError
from storage.audit import Event
from tests.images import TestImage, debian, image
from tests.proxy.gate.conftest import MakeWorld
from tests.proxy.gate.world import LATEST, World, caller

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLEAN = image(debian())
WITH_SSH = image(debian() | {"usr/bin/ssh": b"\x7fELF"})
SOMEBODY_ELSE = caller(Role.DEVELOPER, "another job")


@pytest.fixture
def strict(embedded: EmbeddedUpstream, make_world: MakeWorld) -> World:
    """A gate that bears three refusals a minute."""
    return make_world(embedded, most_denials=3)


def another(number: int) -> TestImage:
    """The same image in another manifest: each would have a verdict of its own."""
    body = json.loads(WITH_SSH.manifest) | {"annotations": {"number": str(number)}}
    return replace(WITH_SSH, manifest=json.dumps(body).encode())


async def test_t75_a_token_whose_pushes_are_refused_again_and_again_leaves_no_more_verdicts(strict: World) -> None:
    await strict.upload(WITH_SSH)
    for number in range(3):
        with pytest.raises(DeniedError):
            await strict.push_manifest(another(number))
    verdicts, records = await strict.verdicts(), await strict.audited()

    for number in range(3, 6):
        with pytest.raises(TooManyRequestsError, match="3 pushes with this token were refused within 60 seconds"):
            await strict.push_manifest(another(number))

    assert (await strict.verdicts(), await strict.audited()) == (verdicts, records)
    await strict.upload(CLEAN)
    await strict.push_manifest(CLEAN, LATEST, SOMEBODY_ELSE)
    await strict.wait(60)
    await strict.push_manifest(CLEAN)


async def test_t75_nor_does_one_that_pushes_what_cannot_be_read(strict: World) -> None:
    for _ in range(3):
        with pytest.raises(InvalidManifestError):
            await strict.push_manifest(replace(CLEAN, manifest=b"{}"))

    with pytest.raises(TooManyRequestsError):
        await strict.push_manifest(replace(CLEAN, manifest=b"{}"))


async def test_t75_pulls_that_are_denied_are_recorded_by_their_number(strict: World) -> None:
    await strict.put_behind(WITH_SSH)
    for _ in range(6):
        with pytest.raises(DeniedError):
            await strict.pull()
    strict.denials.close()

    denied = [record for record in await strict.audited() if record.event is Event.PULL]
    assert [(record.outcome, record.times) for record in denied] == [("denied", 1)] * 3 + [("denied", 3)]
    assert "3 times more within 60 seconds" in denied[-1].detail


async def test_t75_what_is_served_is_always_recorded(strict: World) -> None:
    await strict.push(CLEAN)
    for _ in range(6):
        await strict.pull()
    assert sum(record.event is Event.PULL for record in await strict.audited()) == 6
