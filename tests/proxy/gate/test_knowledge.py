"""What is known of images is the same port over a gate's records and in memory."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from proxy.gate.knowledge import Knowledge
from proxy.gate.passing import PassingKnowledge
from proxy.gate.recorded import RecordedKnowledge
from scanning.facts import LayerRefusal
from scanning.malware import BlobScan, Malware, MalwareScan
from storage.database import Database
from tests.storage.values import APP, NOW, digest, layer_facts

REFUSAL = LayerRefusal(digest("base"), "it is no archive", "usr", 512)
CLEAN = BlobScan(digest("base"), NOW, MalwareScan("a scanner"))
FOUND = replace(CLEAN, scan=MalwareScan("a newer one", (Malware("Worm", "srv/worm"),)))


@pytest.fixture(params=[PassingKnowledge, lambda database: RecordedKnowledge(database, lambda: NOW)])
def knowledge(request: pytest.FixtureRequest, database: Database) -> Knowledge:
    make: Callable[..., Knowledge] = request.param
    return make() if make is PassingKnowledge else make(database)


async def test_nothing_is_known_at_first(knowledge: Knowledge) -> None:
    assert await knowledge.manifest(APP, digest("image")) is None
    assert await knowledge.facts(APP, digest("image")) is None
    assert list(await knowledge.ancestors(APP, digest("image"))) == []
    assert list(await knowledge.referrers(APP, digest("image"))) == []
    assert await knowledge.layers([digest("base")]) == {}
    assert await knowledge.scans([digest("base")]) == {}
    assert await knowledge.seen(["pkg:deb/debian/openssl@3"]) == {}


async def test_what_was_found_in_a_layer_is_known(knowledge: Knowledge) -> None:
    base, top = layer_facts("base"), layer_facts("top")
    await knowledge.keep_layer(base)
    await knowledge.keep_layer(top)

    assert await knowledge.layers([top.digest, digest("another")]) == {top.digest: top}


async def test_a_refusal_takes_the_place_of_nothing_and_facts_that_of_a_refusal(knowledge: Knowledge) -> None:
    base = layer_facts("base")
    await knowledge.keep_layer(REFUSAL)
    assert await knowledge.layers([base.digest]) == {base.digest: REFUSAL}

    await knowledge.keep_layer(base)
    await knowledge.keep_layer(REFUSAL)

    assert await knowledge.layers([base.digest]) == {base.digest: base}


async def test_the_last_look_of_a_scanner_counts(knowledge: Knowledge) -> None:
    await knowledge.keep_scan(CLEAN, is_archive=True)
    await knowledge.keep_scan(FOUND, is_archive=True)

    assert await knowledge.scans([CLEAN.blob, digest("another")]) == {CLEAN.blob: FOUND}


async def test_memory_forgets_the_layers_that_nobody_needed_for_longest() -> None:
    """An index of images for many platforms holds more than one image does."""
    knowledge = PassingKnowledge(most_entries=10)
    base, old, new = layer_facts("base", 4), layer_facts("old", 4), layer_facts("new", 4)
    await knowledge.keep_layer(base)
    await knowledge.keep_layer(base)  # counts once
    await knowledge.keep_layer(old)
    await knowledge.layers([base.digest])
    await knowledge.keep_layer(new)

    assert (await knowledge.layers([base.digest, old.digest, new.digest])).keys() == {base.digest, new.digest}


async def test_memory_keeps_a_layer_that_is_larger_than_it_keeps_of_others() -> None:
    knowledge = PassingKnowledge(most_entries=10)
    huge = layer_facts("huge", 11)
    await knowledge.keep_layer(layer_facts("base", 4))
    await knowledge.keep_layer(huge)

    assert await knowledge.layers([digest("base"), huge.digest]) == {huge.digest: huge}
