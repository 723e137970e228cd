"""What goes on beside the requests."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from config.policy import Waiver
from config.settings import Settings
from proxy.background import keep_up
from proxy.clock import utc_now
from proxy.gate.waiving import waive
from proxy.identity.administrator import Administrator
from proxy.running import running
from proxy.serving.seats import Seat
from proxy.state_folder import Claim
from scanning.malware import BlobScan, Malware, MalwareScan
from scanning.oci.names import Repository
from scanning.verdict import Outcome, Verdict
from storage import audit, malware_scans, verdicts
from storage.audit import Event
from storage.errors import StorageUnavailableError
from tests.proxy.cli.conftest import CLEAN, POLICY, WITH_SSH, push
from tests.proxy.gate.world import layers_of, policy_text


async def test_a_background_job_that_fails_begins_again_and_says_so() -> None:
    tries: list[int] = []

    async def fails_twice() -> None:
        tries.append(len(tries))
        if len(tries) < 3:
            raise KeyError("nobody expected this")

    with capture_logs() as said:
        await keep_up(fails_twice, pause=0)

    assert tries == [0, 1, 2]
    assert [one["log_level"] for one in said if one["event"].startswith("a background job failed")] == ["critical"] * 2


async def test_a_background_job_that_is_cancelled_ends() -> None:
    begun = asyncio.Event()

    async def waits() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(keep_up(waits))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_t106_a_second_gate_on_a_state_folder_is_told_until_the_first_is_gone(tmp_path: Path) -> None:
    first, second = Claim(tmp_path), Claim(tmp_path)
    assert first.warnings() == ()
    with capture_logs() as said:
        (told,) = second.warnings()
    assert told.startswith("another gate serves from the same state folder, so ")
    assert [(one["event"], one["log_level"], one["state_dir"]) for one in said] == [(told, "warning", str(tmp_path))]
    assert first.warnings() == ()
    first.close()
    assert second.warnings() == ()
    assert len(first.warnings()) == 1
    second.close()


def test_t106_a_state_folder_that_cannot_be_told_to_be_free_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "serving.lock").mkdir()
    with pytest.raises(StorageUnavailableError, match=r"the lock .*serving\.lock cannot be had"):
        Claim(tmp_path).warnings()


async def test_t106_a_running_gate_claims_its_folder_and_its_other_processes_do_not(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, inspection={"workers": 1}, listen={"port": 0})
    async with running(settings), running(settings, Seat(1, 2)) as other:
        with capture_logs() as said:
            assert len(Claim(tmp_path).warnings()) == 1
            assert not [one for one in (await other.readiness.report()).warnings if "another gate" in one]
        assert len(said) == 1
    assert Claim(tmp_path).warnings() == ()


async def test_a_running_gate_judges_again_what_has_malware_and_explains_it(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    settings = Settings(state_dir=tmp_path, inspection={"workers": 1}, listen={"port": 0})
    found = BlobScan(layers_of(CLEAN)[0], utc_now(), MalwareScan("a scanner", (Malware("Worm", "srv/worm"),)))
    async with running(settings) as services:

        async def last() -> Verdict:
            async with services.database.snapshot() as tx:
                verdict = await verdicts.latest(tx, Repository("team/app"), CLEAN.digest)
            assert verdict is not None
            return verdict

        await push(services, CLEAN, "team/app:1")
        assert (await last()).outcome is Outcome.ADMIT
        async with services.database.transaction() as tx:
            await malware_scans.record(tx, found, is_archive=True)
        async with asyncio.timeout(60):
            while True:
                verdict = await last()
                if verdict.outcome is not Outcome.ADMIT:
                    break
                await asyncio.sleep(0.1)
        (explained,) = await services.replay.explained(verdict)

    assert [violation.rule for violation in verdict.violations] == ["deny.malware"]
    assert explained.case is not None
    assert explained.case.malware.scans == (found,)


async def test_an_exception_that_is_made_beside_a_running_gate_lets_go_what_waits(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(
        policy_text(deny={"tools": {"kinds": ["ssh-client"], "effect": "quarantine"}})
    )
    settings = Settings(state_dir=tmp_path, inspection={"workers": 1}, feeds={"refresh_hours": 0})
    app = Repository("team/app")
    async with running(settings) as services:
        await push(services, WITH_SSH, "team/app:1")
        assert await services.upstream.get_manifest(app, WITH_SSH.digest) is None
        values = {"repositories": ("team/**",), "tools": ("ssh-client",), "reason": "until it moves", "author": "alice"}
        waiver = Waiver.model_validate(values | {"expires": utc_now() + timedelta(days=1)})

        record = await waive(services.database, waiver, Administrator("alice", "console"), utc_now())

        async with asyncio.timeout(60):
            while True:
                if await services.upstream.get_manifest(app, WITH_SSH.digest) is not None:
                    break
                await asyncio.sleep(0.1)
        async with services.database.snapshot() as tx:
            ((_, changed),) = await audit.newest(tx, event=Event.POLICY_CHANGED, limit=9)
        assert changed.detail == f"{tmp_path / 'policy.yaml'} with 1 exception on record"
    async with running(settings) as services:  # it counts from the start
        assert services.policy.exceptions == (record.waiver,)
