"""How many requests run at an upstream at once, and for whom."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from proxy.identity.principal import Role
from proxy.upstream.slots import TENANT, Slots, on_behalf_of_all
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from tests.proxy.face import Face


async def hold(slots: Slots, tenant: str, count: int, stack: AsyncExitStack) -> None:
    """Take slots for a tenant, as a request of its does."""
    TENANT.set(tenant)
    for _ in range(count):
        await stack.enter_async_context(slots.take())


async def test_t75_one_token_never_has_all_and_others_go_on() -> None:
    slots = Slots(16, 0.05)
    async with AsyncExitStack() as stack:
        await hold(slots, "greedy", 14, stack)
        with pytest.raises(TimeoutError):
            await hold(slots, "greedy", 1, stack)
        await hold(slots, "modest", 2, stack)
        with pytest.raises(TimeoutError):
            await hold(slots, "modest", 1, stack)
    async with AsyncExitStack() as stack:
        await hold(slots, "greedy", 14, stack)


async def test_the_gate_itself_has_all_that_are_free() -> None:
    slots = Slots(16, 0.05)
    async with AsyncExitStack() as stack:
        await hold(slots, "", 16, stack)
        with pytest.raises(TimeoutError):
            await hold(slots, "", 1, stack)


async def test_t75_what_many_wait_for_is_not_held_up_by_the_greed_of_who_asked_first() -> None:
    slots = Slots(16, 60)
    async with AsyncExitStack() as stack:
        await hold(slots, "greedy", 14, stack)

        async def shared() -> str:
            async with slots.take():
                return TENANT.get()

        assert await asyncio.create_task(shared(), context=on_behalf_of_all()) == ""
    assert TENANT.get() == "greedy"


async def test_who_waits_goes_on_when_one_is_free_and_who_gives_up_takes_none_along() -> None:
    slots, go = Slots(1, 60), asyncio.Event()
    running = asyncio.Queue[str]()

    async def request(tenant: str) -> None:
        TENANT.set(tenant)
        async with slots.take():
            running.put_nowait(tenant)
            await go.wait()

    first = asyncio.create_task(request("one"))
    assert await running.get() == "one"
    other, gives_up = asyncio.create_task(request("two")), asyncio.create_task(request("one"))
    await asyncio.wait([other, gives_up], timeout=0.01)
    gives_up.cancel()
    await asyncio.wait([gives_up])
    go.set()
    await asyncio.gather(first, other, request("one"))
    assert [running.get_nowait(), running.get_nowait()] == ["two", "one"]


async def test_t75_requests_are_told_apart_by_their_tokens(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for: list[str] = []

    async def blob_size(_repository: Repository, _digest: Digest) -> int:
        asked_for.append(TENANT.get())
        return 1

    target = f"/v2/team/app/blobs/{face.blob(b'x')}"
    monkeypatch.setattr(face.upstream, "blob_size", blob_size)
    grant, token = await face.new_token(Role.OPERATOR, "**")
    for secret in (face.token, token, face.token):
        await face.call("HEAD", target, token=secret)
    assert asked_for == [face.grant, grant, face.grant]
