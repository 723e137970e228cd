"""What another policy would change is told from what is on record, and nothing is done."""

import pytest

from config.policy_file import load_policy
from proxy.gate.policy_trial import Changed, Trial, images_to_try, try_policy
from scanning.oci.names import Tag
from scanning.verdict import Outcome
from tests.images import File, debian, image, index
from tests.proxy.gate.signing import legacy_signature
from tests.proxy.gate.world import REFUSE_SSH, World, policy_text, wants_signature
from tests.scanning.signatures.signing import new_key, pem

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLEAN = image(debian())
WITH_SSH = image(debian(), {"usr/bin/ssh": File(b"\x7fELF", 0o755)})
BOTH = index(CLEAN, image(debian(("telnet", "1")), architecture="arm64"))
KEY, OTHER = new_key(), new_key()


async def tried(world: World, text: str) -> Trial:
    """Try the policy `text` on everything."""
    images = await images_to_try(world.database)
    now = world.policy.current.policy
    return await try_policy(world.database, world.replay, images, now, load_policy(text, "new"), world.time.now())


def told(changes: tuple[Changed, ...]) -> list[tuple[str, Outcome, Outcome]]:
    """Each tag with what is enforced and what would be."""
    return [(one.image.name.partition(":")[2], one.before.enforced, one.after.enforced) for one in changes]


async def test_what_would_be_refused_is_told_with_its_reasons_and_nothing_is_recorded(small_world: World) -> None:
    await small_world.change_policy(policy_text())
    await small_world.push(CLEAN, Tag("clean"))
    await small_world.push(WITH_SSH, Tag("ssh"))
    before = await small_world.verdicts(), await small_world.audited()

    trial = await tried(small_world, policy_text(deny=REFUSE_SSH))

    assert trial.judged == 2
    assert told(trial.changes) == [("ssh", Outcome.ADMIT, Outcome.REJECT)]
    assert [violation.rule for violation in trial.changes[0].after.violations] == ["deny.tools"]
    assert (await small_world.verdicts(), await small_world.audited()) == before
    assert (await small_world.pull(Tag("ssh"))).digest == WITH_SSH.digest


async def test_the_same_policy_in_other_words_changes_nothing(small_world: World) -> None:
    await small_world.push(CLEAN)
    trial = await tried(small_world, "# a comment\n" + policy_text(deny=REFUSE_SSH))
    assert (trial.judged, trial.changes, trial.left_out) == (1, (), ())


async def test_audit_mode_is_a_change_where_something_is_held(small_world: World) -> None:
    await small_world.change_policy(policy_text(require=wants_signature("release"), signers={"release": pem(KEY)}))
    await small_world.push(CLEAN)
    text = policy_text(require=wants_signature("release"), signers={"release": pem(KEY)}, mode="audit")

    (changed,) = (await tried(small_world, text)).changes

    assert changed.image.waits
    assert (changed.before.enforced, changed.after.enforced) == (Outcome.QUARANTINE, Outcome.ADMIT)


async def test_signatures_on_record_are_verified_with_the_new_signers(small_world: World) -> None:
    keys = {"release": pem(KEY), "other": pem(OTHER)}
    await small_world.change_policy(policy_text(require=wants_signature("release"), signers=keys))
    await small_world.push(CLEAN)
    await small_world.push(*legacy_signature(KEY, CLEAN.digest))
    assert (await small_world.verdict(CLEAN.digest)).outcome is Outcome.ADMIT

    wrong = {"release": pem(OTHER), "other": pem(KEY)}
    changes = (await tried(small_world, policy_text(require=wants_signature("release"), signers=wrong))).changes
    assert ("latest", Outcome.ADMIT, Outcome.QUARANTINE) in told(changes)
    assert "latest" not in {
        name
        for name, _, _ in told(
            (await tried(small_world, policy_text(require=wants_signature("other"), signers=wrong))).changes
        )
    }


async def test_an_index_is_judged_by_its_images(small_world: World) -> None:
    await small_world.push(BOTH)
    trial = await tried(small_world, policy_text(deny={"packages": {"purls": ["pkg:deb/debian/telnet"]}}))
    assert told(trial.changes) == [("latest", Outcome.ADMIT, Outcome.REJECT)]


async def test_what_would_still_be_looked_up_is_said(small_world: World) -> None:
    await small_world.push(CLEAN)
    text = policy_text(
        deny=REFUSE_SSH, require={"minimum_age": {"age": "7d", "purls": ["pkg:npm/**"]}, "malware_scan": {}}
    )
    (changed,) = (await tried(small_world, text)).changes
    assert [said.rpartition("(")[2] for said in changed.unsure] == ["require.minimum_age)", "require.malware_scan)"]


async def test_an_image_whose_facts_are_gone_is_named(small_world: World) -> None:
    await small_world.push(CLEAN)
    verdict = await small_world.verdict(CLEAN.digest)
    async with small_world.database.transaction() as tx:
        await tx.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        await tx.exec_driver_sql("UPDATE manifests SET facts = NULL")
        await tx.exec_driver_sql("DELETE FROM documents WHERE digest = ?", (str(verdict.inputs.signatures),))
    trial = await tried(small_world, policy_text())
    assert "is not there any more" in trial.left_out[0]
    assert trial.changes == ()
