"""A verdict can be made again for ever from what it names."""

from dataclasses import replace

import pytest

from proxy.errors import DeniedError, NotFoundError
from scanning.errors import InvalidContentError
from scanning.verdict import Outcome, Verdict
from storage import documents
from storage.errors import SnapshotError
from tests.images import File, debian, image, index
from tests.proxy.gate.signing import legacy_signature
from tests.proxy.gate.world import REFUSE_FINDINGS, REFUSE_SSH, World, policy_text, wants_signature
from tests.scanning.advisories.records import advisory, affected, fixed
from tests.scanning.signatures.signing import new_key, pem

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = new_key()
VULNERABLE = image(debian(("openssl", "3.0.15-1")), {"usr/bin/ssh": File(b"\x7fELF", 0o755)}, user="")
ADVISORY = advisory("DSA-1-1", affected("Debian:12", "openssl", fixed("3.0.16-1")))
STRICT = policy_text(
    deny=REFUSE_SSH | REFUSE_FINDINGS | {"root_user": {"effect": "warn"}, "secrets": {}},
    require={
        "signatures": {"of": ["release"]},
        "vetted_packages": {"purls": ["pkg:deb/debian/*@3.*"]},
        "advisories": {"max_age": "72h"},
    },
    signers={"release": pem(KEY)},
    waivers=[
        {
            "repositories": ["**"],
            "findings": ["DSA-1-1"],
            "reason": "not reachable",
            "author": "alice",
            "expires": "2026-06-01T00:00:00Z",
        }
    ],
)


async def replayed(world: World) -> list[tuple[Verdict, Verdict]]:
    """Every verdict, and what judging its case again gives."""
    return [(verdict, await world.replay.again(verdict)) for verdict in await world.verdicts()]


async def test_a_refusal_for_many_reasons(small_world: World) -> None:
    await small_world.publish_advisories(ADVISORY)
    await small_world.change_policy(STRICT)
    with pytest.raises(DeniedError):
        await small_world.push(VULNERABLE)

    ((old, new),) = await replayed(small_world)

    assert {violation.rule for violation in old.violations} == {"deny.tools", "require.signatures"}
    assert old.waived
    assert new == old


async def test_an_index_that_was_held_and_then_signed(small_world: World) -> None:
    both = index(image(debian()), image(debian(), architecture="arm64"))
    await small_world.change_policy(policy_text(signers={"release": pem(KEY)}, require=wants_signature("release")))
    await small_world.push(both)
    await small_world.wait(1)
    await small_world.push(*legacy_signature(KEY, both.digest))

    pairs = await replayed(small_world)

    assert {verdict.outcome for verdict, _ in pairs} == {Outcome.ADMIT, Outcome.QUARANTINE}
    assert {verdict.kind.value for verdict, _ in pairs} == {"image", "index", "signature"}
    for old, new in pairs:
        assert new == old


async def test_after_policy_and_advisories_have_changed(small_world: World) -> None:
    await small_world.change_policy(STRICT)
    await small_world.publish_advisories(ADVISORY)
    with pytest.raises(DeniedError):
        await small_world.push(VULNERABLE)

    await small_world.change_policy(policy_text())
    await small_world.publish_advisories(ADVISORY, advisory("DSA-2-1", affected("Debian:12", "zlib", fixed("2"))))
    await small_world.wait(10**8)

    for old, new in await replayed(small_world):
        assert new == old


async def test_a_verdict_made_without_any_advisories(small_world: World) -> None:
    await small_world.push(image(debian()))
    await small_world.publish_advisories(ADVISORY)

    ((old, new),) = await replayed(small_world)

    assert old.inputs.snapshot is None
    assert new == old


async def test_a_verdict_nobody_made(small_world: World) -> None:
    with pytest.raises(NotFoundError, match="there is no verdict nobody-made"):
        await small_world.replay.get("nobody-made")


async def test_what_is_gone_is_named(small_world: World) -> None:
    await small_world.publish_advisories(ADVISORY)
    await small_world.push(image(debian()))
    (verdict,) = await small_world.verdicts()
    absent = f"sha256:{'0' * 64}"

    gone = replace(verdict, inputs=replace(verdict.inputs, policy=type(verdict.digest).parse(absent)))
    with pytest.raises(NotFoundError, match=f"document {absent}, which the verdict was made of"):
        await small_world.replay.again(gone)
    gone = replace(verdict, inputs=replace(verdict.inputs, snapshot=type(verdict.digest).parse(absent)))
    with pytest.raises(SnapshotError, match=f"snapshot {absent} is not kept here"):
        await small_world.replay.again(gone)


async def test_verdicts_of_one_policy_share_what_was_read_of_it(small_world: World) -> None:
    await small_world.change_policy(policy_text(deny=REFUSE_SSH))
    for made in (image(debian()), image(debian(("other", "1")))):
        await small_world.push(made)

    first, second = [(await small_world.replay.case(verdict))[1] for verdict in await small_world.verdicts()]

    assert first is second


async def test_a_policy_that_another_version_wrote_is_told_as_that(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await small_world.push(image(debian()))
    (verdict,) = await small_world.verdicts()
    written = b'{"version": 1, "rules": [{"repositories": ["**"], "later": true}]}'
    async with small_world.database.transaction() as tx:
        digest = await documents.put(tx, written)
    of_later = replace(verdict, inputs=replace(verdict.inputs, policy=digest))

    with pytest.raises(InvalidContentError, match=r"is none that this version reads: rules\.0\.later"):
        await small_world.replay.again(of_later)
    ((told, case),) = [(one.verdict, one.case) for one in await small_world.replay.explained(of_later)]
    assert (told, case) == (of_later, None)
