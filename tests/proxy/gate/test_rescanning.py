"""What was called clean with older signatures is looked at again, and images are judged by what was found last."""

import asyncio
import gzip
from collections.abc import AsyncIterable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from proxy.errors import DeniedError
from proxy.malware.clamd import Clamd
from proxy.malware.scanner import MalwareScanner
from proxy.upstream.embedded import EmbeddedUpstream
from scanning.facts import LayerFacts
from scanning.layers.limits import InspectionLimits
from scanning.malware import MalwareScan
from scanning.oci.digest import Digest
from scanning.oci.names import Tag
from scanning.verdict import Outcome
from storage import malware_scans
from storage.audit import Event
from tests.clamav import EICAR, running_clamd
from tests.images import TestImage, debian, image, index, tar
from tests.proxy.gate.conftest import MakeWorld
from tests.proxy.gate.test_artifacts import HELM_CHART, HELM_CONFIG, artifact
from tests.proxy.gate.world import LATEST, World, layers_of, policy_text

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.real]

DAY = timedelta(days=1)
NEW_WORM = b"imagegate-test-of-a-worm-that-is-found-tomorrow"
WORM = {"srv/worm": b"begin " + NEW_WORM}
INFECTED = image(debian(), WORM)
CLEAN = image(debian(("curl", "8.0-1")), {"srv/page": b"hello"})
CHART_WITH_WORM = artifact(
    gzip.compress(tar({"app/Chart.yaml": b"name: app\n", "app/files/worm": NEW_WORM}), mtime=0),
    layer=HELM_CHART,
    config=HELM_CONFIG,
)


GateWith = Callable[[MalwareScanner | None], World]


class CountingScanner(MalwareScanner):
    """Counts the layers that it looks at, and looks only while `goes_on`."""

    def __init__(self, address: str, most_bytes: int = 1 << 20) -> None:
        super().__init__(Clamd(address), InspectionLimits(), most_bytes)
        self.looked_at: list[Digest] = []
        self.begun = asyncio.Event()
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def scan(self, blob: AsyncIterable[bytes], layer: LayerFacts) -> MalwareScan:
        self.looked_at.append(layer.digest)
        self.begun.set()
        await self.goes_on.wait()
        return await super().scan(blob, layer)


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A clamd with the signatures of today, and one with those of tomorrow."""
    folder = tmp_path_factory.mktemp("clamd")
    with ExitStack() as stack:
        today = stack.enter_context(running_clamd(folder / "today"))
        tomorrow = stack.enter_context(running_clamd(folder / "tomorrow", {"Test.Worm": NEW_WORM}))
        yield today, tomorrow


@pytest.fixture
def today(addresses: tuple[str, str]) -> CountingScanner:
    return CountingScanner(addresses[0])


@pytest.fixture
def tomorrow(addresses: tuple[str, str]) -> CountingScanner:
    return CountingScanner(addresses[1])


@pytest.fixture
def gate_with(embedded: EmbeddedUpstream, make_world: MakeWorld) -> GateWith:
    """Gates on the same database and registry, each with another scanner: one that was updated meanwhile."""
    first: list[World] = []

    def gate(scanner: MalwareScanner | None) -> World:
        made = make_world(embedded, scanner=scanner, rescan_every=DAY)
        made.repository = (first or [made])[0].repository
        first.append(made)
        return made

    return gate


async def a_day_later(world: World) -> None:
    """Time passes, and what is due is looked at."""
    await world.wait(DAY.total_seconds() + 1)
    while await world.gate.rescanning.look_again():
        pass


async def test_what_is_found_later_is_refused_in_every_image_and_put_on_record(
    gate_with: GateWith, today: CountingScanner, tomorrow: CountingScanner
) -> None:
    world = gate_with(today)
    await world.push(index(INFECTED, image(debian(), architecture="arm64")))
    await world.push(image(debian(), WORM, user="other"), Tag("other"))
    await world.push(CLEAN, Tag("clean"))
    world = gate_with(tomorrow)

    await a_day_later(world)
    await world.gate.rescanning.settle()

    for reference in (LATEST, INFECTED.digest, Tag("other")):
        with pytest.raises(DeniedError, match=r"Test\.Worm.*srv/worm.*\[deny\.malware\]"):
            await world.pull(reference)
    assert (await world.pull(Tag("clean"))).body == CLEAN.manifest
    judged = [record for record in await world.audited() if record.event is Event.JUDGE]
    assert {(record.outcome, record.digest) for record in judged} >= {("reject", str(INFECTED.digest))}
    verdict = await world.verdict(INFECTED.digest)
    assert (verdict.violations[0].layer, verdict.violations[0].check) == (layers_of(INFECTED)[1], "H36")
    assert await world.replay.again(verdict) == verdict


async def test_a_gate_that_was_stopped_between_finding_and_judging_judges_when_it_starts(
    gate_with: GateWith, today: CountingScanner, tomorrow: CountingScanner
) -> None:
    world = gate_with(today)
    await world.push(INFECTED)
    await a_day_later(gate_with(tomorrow))
    assert (await world.pull()).body == INFECTED.manifest

    world = gate_with(None)  # and nobody looks for malware any more
    await world.gate.rescanning.settle()

    with pytest.raises(DeniedError, match=r"\[deny\.malware\]"):
        await world.pull()


async def test_what_was_being_judged_while_it_was_found_is_judged_once_more(
    gate_with: GateWith, today: CountingScanner, tomorrow: CountingScanner
) -> None:
    slow, quick = gate_with(today), gate_with(tomorrow)
    await slow.push(INFECTED)
    await slow.wait(DAY.total_seconds() + 1)
    today.goes_on.clear()
    today.begun.clear()
    late = image(debian(), WORM, {"srv/more": b"more"})
    pushing = asyncio.create_task(slow.push(late, Tag("late")))
    await today.begun.wait()  # it was told that the other layers are clean
    while await quick.gate.rescanning.look_again():
        pass
    await quick.gate.rescanning.settle()
    today.goes_on.set()
    await pushing
    assert (await quick.pull(Tag("late"))).body == late.manifest

    await quick.wait(timedelta(minutes=11).total_seconds())
    await quick.gate.rescanning.settle()

    with pytest.raises(DeniedError, match=r"\[deny\.malware\]"):
        await quick.pull(Tag("late"))
    before = len(await quick.verdicts())
    await quick.gate.rescanning.settle()
    assert len(await quick.verdicts()) == before, "that was the last time"


async def test_each_layer_is_looked_at_once_in_the_time_that_the_settings_say(
    gate_with: GateWith, today: CountingScanner
) -> None:
    world = gate_with(today)
    await world.push(CLEAN)
    assert sorted(today.looked_at) == sorted(layers_of(CLEAN))

    await world.wait(DAY.total_seconds() - 60)
    assert not await world.gate.rescanning.look_again()
    await world.push(image(debian(("curl", "8.0-1")), {"srv/page": b"hello"}, user="other"))
    assert len(today.looked_at) == 2

    await a_day_later(world)
    assert sorted(today.looked_at) == sorted(2 * layers_of(CLEAN))


class DatedScanner(CountingScanner):
    """Says how old its signatures are, as clamd does with those of ClamAV."""

    dated = "ClamAV 1.4.3/27829/Wed Nov 25 09:00:00 2026"

    async def version(self) -> str:
        return self.dated

    async def scan(self, blob: AsyncIterable[bytes], layer: LayerFacts) -> MalwareScan:
        return replace(await super().scan(blob, layer), scanner=self.dated)


async def test_it_is_not_looked_at_again_while_the_signatures_are_the_same(
    gate_with: GateWith, addresses: tuple[str, str]
) -> None:
    scanner = DatedScanner(addresses[0])
    world = gate_with(scanner)
    await world.push(CLEAN)
    await a_day_later(world)
    assert len(scanner.looked_at) == 2

    scanner.dated = "ClamAV 1.4.3/27830/Thu Nov 26 09:00:00 2026"
    assert await world.gate.rescanning.look_again()
    assert len(scanner.looked_at) == 4
    assert not await world.gate.rescanning.look_again()


async def test_a_blob_that_cannot_be_looked_at_any_more_keeps_nobody_from_the_others(
    gate_with: GateWith, today: CountingScanner, addresses: tuple[str, str]
) -> None:
    large = image(debian(), {"srv/large": b"n" * 300_000})
    world = gate_with(today)
    await world.push(large, Tag("large"))
    await world.push(INFECTED)
    stricter = CountingScanner(addresses[1], most_bytes=1 << 18)
    world = gate_with(stricter)

    await a_day_later(world)
    await world.gate.rescanning.settle()

    assert sorted(stricter.looked_at) == sorted({*layers_of(large), *layers_of(INFECTED)}), "each once"
    assert (await world.pull(Tag("large"))).body == large.manifest
    with pytest.raises(DeniedError, match=r"\[deny\.malware\]"):
        await world.pull()


async def test_what_nothing_refers_to_any_more_is_forgotten(gate_with: GateWith, today: CountingScanner) -> None:
    world = gate_with(today)
    await world.push(CLEAN)
    await world.delete(CLEAN.digest)

    await a_day_later(world)

    async with world.database.snapshot() as tx:
        assert await malware_scans.find(tx, layers_of(CLEAN)) == {}
    assert len(today.looked_at) == 2


async def test_a_false_alarm_ends_with_the_signature_that_raised_it(
    gate_with: GateWith, today: CountingScanner, tomorrow: CountingScanner
) -> None:
    world = gate_with(tomorrow)
    with pytest.raises(DeniedError, match=r"\[deny\.malware\]"):
        await world.push(INFECTED)
    world = gate_with(today)
    with pytest.raises(DeniedError, match=r"\[deny\.malware\]"):
        await world.push(INFECTED)  # it was looked at just now

    await world.wait(61)
    await world.push(INFECTED)

    assert (await world.pull()).body == INFECTED.manifest


async def test_what_was_found_counts_while_clamd_is_down(
    gate_with: GateWith, today: CountingScanner, tomorrow: CountingScanner, tmp_path: Path
) -> None:
    await gate_with(today).push(INFECTED)
    await a_day_later(gate_with(tomorrow))
    world = gate_with(CountingScanner(f"unix:{tmp_path / 'nobody'}"))
    await world.wait(600)

    await world.gate.rescanning.settle()

    with pytest.raises(DeniedError, match=r"\[deny\.malware\]"):
        await world.pull()


class TestMaxAge:
    """`require.malware_scan.max_age`."""

    WEEKLY = policy_text(require={"malware_scan": {"max_age": "7d"}})

    async def test_what_was_looked_at_too_long_ago_is_looked_at_before_it_is_served(
        self, gate_with: GateWith, today: CountingScanner, tomorrow: CountingScanner
    ) -> None:
        world = gate_with(today)
        await world.change_policy(self.WEEKLY)
        await world.push(INFECTED)
        admitted = await world.verdict(INFECTED.digest)
        assert admitted.valid_until == admitted.judged_at + 7 * DAY
        world = gate_with(tomorrow)
        await world.wait(6 * DAY.total_seconds())
        assert (await world.pull()).body == INFECTED.manifest

        await world.wait(DAY.total_seconds())

        with pytest.raises(DeniedError, match=r"\[deny\.malware\]"):
            await world.pull()

    async def test_while_clamd_is_down_the_policy_says_what_becomes_of_it(
        self, gate_with: GateWith, today: CountingScanner, tmp_path: Path
    ) -> None:
        world = gate_with(today)
        await world.change_policy(self.WEEKLY)
        await world.push(CLEAN)
        looked_at = world.time.now()
        world = gate_with(CountingScanner(f"unix:{tmp_path / 'nobody'}"))
        await world.wait(7 * DAY.total_seconds() + 1)

        with pytest.raises(DeniedError):
            await world.pull()

        verdict = await world.verdict(CLEAN.digest)
        assert (verdict.outcome, verdict.violations[0].rule) == (Outcome.QUARANTINE, "require.malware_scan")
        assert verdict.violations[0].why == (
            f"a malware scanner last looked at all of it on {looked_at:%Y-%m-%d %H:%M} UTC, and must have within 7d"
        )
        assert await world.replay.again(verdict) == verdict
        await gate_with(today).wait(61)
        assert (await gate_with(today).pull()).body == CLEAN.manifest


class TestArtifacts:
    """Every blob of an artifact is looked at, archive or not."""

    @pytest.mark.parametrize("layer", ["application/wasm", "application/vnd.example.report"])
    async def test_a_file_in_a_layer(self, gate_with: GateWith, today: CountingScanner, layer: str) -> None:
        infected = artifact(b"\0asm\x01\0\0\0", EICAR, layer=layer)
        with pytest.raises(DeniedError, match=r"Eicar-Test-Signature.*\[deny\.malware\]"):
            await gate_with(today).push(infected)

    async def test_the_configuration(self, gate_with: GateWith, today: CountingScanner) -> None:
        infected = artifact(b"numbers", config="application/vnd.example.config", configuration=EICAR)
        with pytest.raises(DeniedError, match=r"Eicar-Test-Signature.*\[deny\.malware\]"):
            await gate_with(today).push(infected)

    async def test_a_clean_one_satisfies_a_policy_that_asks_for_it(
        self, gate_with: GateWith, today: CountingScanner
    ) -> None:
        world = gate_with(today)
        await world.change_policy(policy_text(require={"malware_scan": {}}))
        clean = artifact(b"numbers")
        await world.push(clean)
        assert (await world.pull()).body == clean.manifest

    async def test_a_file_that_clamd_is_not_given_is_refused(self, gate_with: GateWith, today: CountingScanner) -> None:
        with pytest.raises(DeniedError, match="clamd_file_bytes"):
            await gate_with(today).push(artifact(b"n" * (2 << 20)))

    @pytest.mark.parametrize("pushed", [artifact(NEW_WORM), CHART_WITH_WORM], ids=["file", "archive"])
    async def test_one_is_looked_at_again(
        self, gate_with: GateWith, today: CountingScanner, tomorrow: CountingScanner, pushed: TestImage
    ) -> None:
        await gate_with(today).push(pushed)
        world = gate_with(tomorrow)
        assert (await world.pull()).body == pushed.manifest

        await a_day_later(world)
        await world.gate.rescanning.settle()

        with pytest.raises(DeniedError, match=r"\[deny\.malware\]"):
            await world.pull()
