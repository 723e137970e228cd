"""What operators are told of while requests are answered."""

import asyncio
import shutil
from collections import namedtuple
from contextlib import suppress
from pathlib import Path

import pytest

from config.settings import Settings
from proxy import alarms
from proxy.inspection.pool import InspectionPool
from proxy.malware.clamd import Clamd
from proxy.malware.scanner import MalwareScanner
from proxy.running import running
from scanning.layers.limits import InspectionLimits
from storage.audit import AuditRecord, Event
from storage.audit_spool import AuditSpool
from storage.database import Database
from tests.proxy.cli.conftest import POLICY
from tests.storage.values import NOW

Usage = namedtuple("Usage", "total used free")
GIB = 1 << 30
PULL = AuditRecord(at=NOW, event=Event.PULL, actor="cluster", address="192.0.2.7", outcome="served")


def scanner(socket: Path) -> MalwareScanner:
    return MalwareScanner(Clamd(f"unix:{socket}"), InspectionLimits(), 1 << 20)


async def warnings_of(alarm: alarms.ScannerAlarm) -> tuple[str, ...]:
    """What it says once the scanner has answered, or has not."""
    await alarm.warnings()
    if alarm._asking is not None:
        await alarm._asking
    return await alarm.warnings()


async def test_a_malware_scanner_that_does_not_answer_is_told_of_without_its_address(tmp_path: Path) -> None:
    alarm = alarms.ScannerAlarm(scanner(tmp_path / "clamd.ctl"))
    (said,) = await warnings_of(alarm)

    assert said.startswith("clamd does not answer, so images that it has not scanned wait in quarantine")
    assert str(tmp_path) not in said


async def test_nothing_is_said_of_one_that_answers_and_of_none(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readuntil(b"\0") == b"zVERSION\0"
        writer.write(b"ClamAV 1.4.6/27830/Thu Nov 26 09:00:00 2026\0")
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_unix_server(answer, tmp_path / "clamd.ctl"):
        alarm = alarms.ScannerAlarm(scanner(tmp_path / "clamd.ctl"))
        assert await warnings_of(alarm) == ()
        await alarm.close()
    assert await warnings_of(alarms.ScannerAlarm(None)) == ()


async def test_nobody_waits_for_one_that_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    is_ready = asyncio.Event()

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await is_ready.wait()
        writer.write(b"ClamAV 1.4.6/27830/Thu Nov 26 09:00:00 2026\0")
        writer.close()

    monkeypatch.setattr(alarms, "_A_MOMENT_SECONDS", 0.0)
    async with await asyncio.start_unix_server(answer, tmp_path / "clamd.ctl"):
        alarm = alarms.ScannerAlarm(scanner(tmp_path / "clamd.ctl"))
        assert await alarm.warnings() == () == await alarm.warnings()
        is_ready.set()
        assert await warnings_of(alarm) == ()
        await alarm.close()


async def test_workers_that_are_missing_are_counted() -> None:
    (said,) = alarms.of_inspection(InspectionPool(2, InspectionLimits()))  # none is started yet

    assert said.startswith("2 of 2 inspection workers have died and start again")


async def test_an_audit_that_waits_is_told_of_before_it_is_full(database: Database, tmp_path: Path) -> None:
    spool = AuditSpool(tmp_path, database, 10_000)
    assert alarms.of_audit(spool) == ()
    while spool.waiting < 2500:
        spool.append(PULL)

    (said,) = alarms.of_audit(spool)
    assert said.startswith(f"{spool.waiting:,} bytes of the audit wait for the database; from 10,000 on")

    await spool.drain()
    assert alarms.of_audit(spool) == ()
    await spool.close()


@pytest.mark.parametrize(
    ("total", "free", "is_told"),
    [(1000 * GIB, 21 * GIB, False), (1000 * GIB, 19 * GIB, True), (GIB, GIB // 2, False), (GIB, GIB // 2 - 1, True)],
)
async def test_a_disk_is_told_of_once_when_it_is_nearly_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, total: int, free: int, is_told: bool
) -> None:
    (tmp_path / "content").mkdir()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(total, total - free, free))

    said = await alarms.of_disks((tmp_path / "content", tmp_path, tmp_path / "not used"))

    assert len(said) == is_told
    assert all(f"{free >> 20:,} MiB are left" in one and str(tmp_path) not in one for one in said)


async def test_a_running_gate_tells_all_of_it_in_its_readiness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "_A_MOMENT_SECONDS", 60.0)
    (tmp_path / "policy.yaml").write_text(POLICY)
    settings = Settings(
        state_dir=tmp_path, inspection={"workers": 1, "clamd": f"unix:{tmp_path}/clamd.ctl"}, listen={"port": 0}
    )
    async with running(settings) as services:
        report = await services.readiness.report()

    assert (report.ready, dict(report.parts)) == (
        True,
        {"database": True, "upstream": True, "inspection": True, "audit": True},
    )
    assert sum(said.startswith("clamd does not answer") for said in report.warnings) == 1
    assert sum("no advisory data" in said for said in report.warnings) == 1
