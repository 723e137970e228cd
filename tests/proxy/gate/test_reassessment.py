"""Policy, advisories and time change what an image is worth; its layers are not read again for that."""

from datetime import date, timedelta

import pytest

from config.policy import Policy
from proxy.errors import DeniedError
from scanning.advisories.lifecycle import End, Release
from scanning.oci.digest import Digest
from scanning.oci.names import Tag
from scanning.verdict import Outcome
from tests.images import File, debian, image
from tests.proxy.gate.world import (
    LATEST,
    REFUSE_FINDINGS,
    REFUSE_SSH,
    World,
    layers_of,
    policy_text,
    wants_signature,
)
from tests.scanning.advisories.records import advisory, affected, fixed

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLEAN = image(debian(("openssl", "3.0.15-1")))
WITH_SSH = image(debian(), {"usr/bin/ssh": File(b"\x7fELF", 0o755)})
HARMLESS = advisory("DSA-1-1", affected("Debian:12", "zlib", fixed("1:1.2")))
OPENSSL = advisory("DSA-2-1", affected("Debian:12", "openssl", fixed("3.0.15-1~deb12u1")), upstream=["CVE-2026-0001"])
OPENSSL_LATER = advisory("DSA-3-1", affected("Debian:12", "openssl", fixed("3.0.16-1")), upstream=["CVE-2026-0002"])


class TestPolicy:
    async def test_what_a_new_policy_admits_goes_upstream_with_its_tags(self, world: World) -> None:
        await world.change_policy(policy_text(require=wants_signature()))
        await world.push(CLEAN)
        await world.push(CLEAN, Tag("1.0"))

        await world.change_policy(policy_text())

        for tag in (LATEST, Tag("1.0")):
            assert await world.behind(tag) == CLEAN.digest

    async def test_what_a_new_policy_refuses_is_refused_when_it_is_pulled(self, world: World) -> None:
        await world.change_policy(policy_text())
        await world.push(WITH_SSH)
        read = world.pool.begun

        await world.change_policy(policy_text(deny=REFUSE_SSH))

        with pytest.raises(DeniedError, match="ssh in usr/bin/ssh"):
            await world.pull()
        for blob in WITH_SSH.blobs:
            with pytest.raises(DeniedError):
                await world.check_blob(blob)
        assert world.pool.begun == read

    async def test_a_tag_that_waits_for_an_image_the_upstream_has_already_goes_with_a_new_policy(
        self, world: World
    ) -> None:
        await world.push(CLEAN)
        await world.change_policy(policy_text(require=wants_signature()))
        await world.push(CLEAN, Tag("1.0"))
        assert await world.behind(Tag("1.0")) is None

        await world.change_policy(policy_text())

        assert await world.behind(Tag("1.0")) == CLEAN.digest

    @pytest.mark.parametrize(
        "broken", ["", "version: 1\nrules: []", "rules: [", "\x00\x01", "version: 1\nunknown: key"], ids=repr
    )
    async def test_a_broken_policy_is_refused_and_the_old_one_stays(self, small_world: World, broken: str) -> None:
        old = small_world.policy.current

        await small_world.change_policy(broken)

        assert small_world.policy.current == old
        assert "policy.yaml" in small_world.policy.problem
        with pytest.raises(DeniedError):
            await small_world.push(WITH_SSH)

        await small_world.change_policy(policy_text())

        assert small_world.policy.problem == ""
        await small_world.push(WITH_SSH)

    async def test_a_policy_that_is_gone_stays_in_force(self, small_world: World) -> None:
        small_world.policy_path.unlink()
        await small_world.policy.reload_if_changed(_never)

        assert small_world.policy.problem != ""
        with pytest.raises(DeniedError):
            await small_world.push(WITH_SSH)

    async def test_comments_and_layout_make_no_other_policy(self, small_world: World) -> None:
        old = small_world.policy.current

        small_world.policy_path.write_text("# a comment\n" + small_world.policy_path.read_text())
        await small_world.policy.reload_if_changed(_never)

        assert small_world.policy.current is old
        assert small_world.policy.problem == ""

    async def test_a_policy_survives_being_written_down(self, small_world: World) -> None:
        await small_world.change_policy(policy_text(deny=REFUSE_SSH, require=wants_signature(), mode="audit"))

        text = small_world.policy.current.text

        assert Policy.model_validate_json(text) == small_world.policy.current.policy
        assert Digest.of(text) == small_world.policy.current.digest


class TestAdvisories:
    async def test_an_advisory_that_comes_later_refuses_an_image_that_was_admitted(self, world: World) -> None:
        await world.change_policy(policy_text(deny=REFUSE_FINDINGS))
        await world.publish_advisories(HARMLESS, OPENSSL)
        await world.push(CLEAN)
        read = world.pool.begun
        assert (await world.pull()).body == CLEAN.manifest

        await world.publish_advisories(HARMLESS, OPENSSL, OPENSSL_LATER)

        with pytest.raises(DeniedError) as refused:
            await world.pull()
        verdict = await world.verdict(CLEAN.digest)
        assert str(refused.value).startswith(
            f"{world.repository}:latest is refused: CVE-2026-0002 (DSA-3-1) in package openssl 3.0.15-1 of layer"
            f" {layers_of(CLEAN)[0].short} (layer 0): severity unrated, fixed in 3.0.16-1 [deny.findings];"
            " upgrade openssl to 3.0.16-1 or later -- see: imagegate"
            f" verdict show {verdict.id} "
        )
        assert world.pool.begun == read

    async def test_what_is_exploited_from_today_on_refuses_an_image_that_was_admitted(self, world: World) -> None:
        await world.change_policy(policy_text(deny={"findings": {"unrated": "low", "known_exploited": True}}))
        await world.publish_advisories(HARMLESS, OPENSSL_LATER)
        await world.push(CLEAN)
        assert (await world.pull()).body == CLEAN.manifest

        await world.publish_exploited("CVE-2026-0002")

        with pytest.raises(DeniedError, match="known to be exploited since 2026-01-01"):
            await world.pull()
        verdict = await world.verdict(CLEAN.digest)
        await world.publish_exploited("CVE-2026-0009")
        assert await world.replay.again(verdict) == verdict

    async def test_a_distribution_ends_by_itself_and_no_image_is_read_for_that(self, world: World) -> None:
        await world.change_policy(policy_text(deny={"end_of_life": {"support": "standard"}}))
        await world.publish_release("debian", Release(("12", "bookworm"), End(date(2026, 1, 2))))
        await world.push(CLEAN)
        read = world.pool.begun
        admitted = await world.verdict(CLEAN.digest)
        await world.wait(timedelta(hours=47).total_seconds())
        assert (await world.pull()).body == CLEAN.manifest

        await world.wait(timedelta(hours=1).total_seconds())

        with pytest.raises(DeniedError, match="its standard support ended on 2026-01-02"):
            await world.pull()
        assert await world.replay.again(admitted) == admitted
        assert world.pool.begun == read

    async def test_what_is_held_is_judged_again(self, world: World) -> None:
        await world.change_policy(policy_text(require={"advisories": {"max_age": "1h", "effect": "quarantine"}}))
        await world.push(CLEAN)
        assert await world.behind(LATEST) is None

        await world.publish_advisories(HARMLESS)

        assert await world.behind(LATEST) == CLEAN.digest

    async def test_data_that_grows_old_admits_nothing_any_more(self, world: World) -> None:
        await world.change_policy(policy_text(require={"advisories": {"max_age": "1h", "effect": "quarantine"}}))
        await world.publish_advisories(HARMLESS)
        await world.push(CLEAN)
        await world.wait(3590)
        assert (await world.pull()).body == CLEAN.manifest

        await world.wait(20)

        with pytest.raises(DeniedError, match=r"\[require\.advisories\]"):
            await world.pull()

    async def test_a_damaged_snapshot_leaves_the_old_one_in_force(self, small_world: World) -> None:
        snapshot = await small_world.publish_advisories(HARMLESS)
        current = small_world.snapshots.workspace() / "current"
        current.write_text(f"sha256:{'0' * 64}")

        await small_world.desk.reload_if_changed(_never)

        assert small_world.desk.in_force == snapshot.digest


class TestStandingVerdicts:
    """Nobody is judged again while the answer cannot be another."""

    async def test_the_same_verdict_serves_every_pull(self, small_world: World) -> None:
        await small_world.push(CLEAN)
        for _ in range(3):
            await small_world.wait(86400)
            await small_world.pull()

        assert len(await small_world.verdicts()) == 1

    async def test_another_policy_asks_for_another_verdict(self, small_world: World) -> None:
        await small_world.push(CLEAN)
        await small_world.change_policy(policy_text())
        await small_world.pull()
        await small_world.pull()

        old, new = await small_world.verdicts()
        assert old.inputs.policy != new.inputs.policy == small_world.policy.current.digest
        assert old.inputs.facts == new.inputs.facts

    async def test_another_snapshot_asks_for_another_verdict(self, small_world: World) -> None:
        await small_world.push(CLEAN)
        snapshot = await small_world.publish_advisories(HARMLESS)
        await small_world.pull()
        await small_world.pull()

        old, new = await small_world.verdicts()
        assert (old.inputs.snapshot, new.inputs.snapshot) == (None, snapshot.digest)

    async def test_what_is_not_admitted_is_looked_at_again_after_a_minute(self, small_world: World) -> None:
        await small_world.change_policy(policy_text(require=wants_signature()))
        await small_world.push(CLEAN)
        for seconds, judged in ((30, 1), (30, 1), (1, 2), (60, 2), (1, 3)):
            await small_world.wait(seconds)
            with pytest.raises(DeniedError):
                await small_world.pull()
            assert len(await small_world.verdicts()) == judged

    async def test_a_verdict_is_for_one_repository(self, small_world: World) -> None:
        await small_world.push(CLEAN)
        elsewhere = type(small_world.repository)("elsewhere/app")
        small_world.repository = elsewhere
        await small_world.push(CLEAN)

        assert [verdict.repository for verdict in await small_world.verdicts()][1] == "elsewhere/app"
        assert small_world.pool.begun == 1


class TestWaivers:
    async def test_a_waiver_that_ends_takes_the_image_with_it(self, world: World) -> None:
        end = world.time.now() + timedelta(days=30)
        waiver = {
            "repositories": ["**"],
            "tools": ["ssh-client"],
            "reason": "needed until the migration",
            "author": "alice",
            "expires": end.isoformat(),
        }
        await world.change_policy(policy_text(deny=REFUSE_SSH, waivers=[waiver]))
        await world.push(WITH_SSH)
        verdict = await world.verdict(WITH_SSH.digest)
        assert (verdict.outcome, verdict.waived) == (Outcome.ADMIT, ("ssh-client usr/bin/ssh",))
        assert verdict.valid_until == end
        assert (await world.pull()).body == WITH_SSH.manifest
        read = world.pool.begun

        await world.wait(timedelta(days=30).total_seconds())

        with pytest.raises(DeniedError, match="ssh in usr/bin/ssh"):
            await world.pull()
        with pytest.raises(DeniedError):
            await world.check_blob(next(iter(WITH_SSH.blobs)))
        assert world.pool.begun == read


async def _never(*_: object) -> None:
    raise AssertionError("nothing came into force")
