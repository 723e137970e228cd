"""What is forgotten, what stays, and that nothing which is recorded meanwhile loses what it names."""

import asyncio
import random
from collections.abc import AsyncIterator, Collection
from dataclasses import fields, replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from config.vocabulary import SbomFormat
from scanning.approvals import Approval, ApprovalKind
from scanning.facts import FACTS_VERSION, LayerRefusal
from scanning.oci.digest import Digest
from scanning.oci.media_types import OCI_MANIFEST
from scanning.oci.names import Repository, Tag
from scanning.verdict import Verdict, VerdictInputs
from storage import (
    approvals,
    audit,
    documents,
    forgetting,
    held_tags,
    layers,
    manifests,
    registry,
    sboms,
    schema,
    tag_history,
    tag_packages,
    verdicts,
)
from storage.approvals import ApprovalRecord
from storage.audit import AuditRecord, Event
from storage.database import Database, Transaction
from storage.forgetting import Bounds, Forgotten, forget, preview
from tests.storage.values import APP, NOW, OTHER, digest, image, index, layer_facts, verdict

OLD = NOW - timedelta(days=400)
YOUNG = NOW - timedelta(days=10)
BOUNDS = Bounds(verdicts=NOW - timedelta(days=365), layers=NOW - timedelta(days=1))
NOTHING = Forgotten()


class Records:
    """Writes what a gate writes, by words; a document's content is its word."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def judge(
        self,
        name: str,
        manifest: str = "image",
        *,
        at: datetime = OLD,
        repository: Repository = APP,
        made_of: Collection[str] = (),
        images: Collection[str] = (),
        tag: str = "",
    ) -> Verdict:
        """Record a verdict with the documents it names: its manifest, and up to two more."""
        facts, malware = (*made_of, None, None)[:2]
        inputs = VerdictInputs(
            digest(manifest),
            OCI_MANIFEST,
            digest("policy"),
            digest("signatures"),
            facts=digest(facts) if facts else None,
            malware=digest(malware) if malware else None,
            children=tuple(images),
        )
        made = replace(verdict(name, repository, manifest), inputs=inputs, judged_at=at, tag=tag)
        async with self.database.transaction() as tx:
            for word in (manifest, "policy", "signatures", *made_of):
                await documents.put(tx, word.encode())
            await verdicts.append(tx, made)
        return made

    async def manifest(
        self,
        word: str = "image",
        *layer: str,
        repository: Repository = APP,
        facts: str = "",
        lists: Collection[str] = (),
    ) -> None:
        """Have a manifest on record."""
        manifest = index(word, *lists) if lists else image(word, *layer)
        async with self.database.transaction() as tx:
            known = await documents.put(tx, facts.encode()) if facts else None
            await manifests.record(tx, repository, manifest, b"{}", held=False, facts=known, now=OLD)

    async def document(self, word: str) -> Digest:
        """Put a document that nothing names."""
        async with self.database.transaction() as tx:
            return await documents.put(tx, word.encode())

    async def forget(self) -> Forgotten:
        """Forget, after looking whether the preview says the same and changes nothing."""
        foreseen = await preview(self.database, BOUNDS)
        assert foreseen == await preview(self.database, BOUNDS)
        assert await forget(self.database, BOUNDS) == foreseen
        assert await forget(self.database, BOUNDS) == NOTHING
        return foreseen

    async def has(self, word: str) -> bool:
        """Whether a document is there."""
        async with self.database.snapshot() as tx:
            return await documents.get(tx, digest(word)) is not None

    async def verdicts(self) -> set[str]:
        """The ids of all."""
        async with self.database.snapshot() as tx:
            return {made.id for made in await verdicts.list_newest(tx, limit=1000)}


@pytest.fixture
def records(database: Database) -> Records:
    """None yet, on each database."""
    return Records(database)


async def test_an_old_verdict_on_what_is_deleted_goes_with_all_that_it_alone_was_made_of(records: Records) -> None:
    await records.judge("gone", made_of=["facts", "scan"])
    assert await records.forget() == Forgotten(verdicts=1, documents=5)
    assert await records.verdicts() == set()
    assert not await records.has("facts")


async def test_a_young_verdict_stays_with_all_that_it_was_made_of(records: Records) -> None:
    await records.judge("old", made_of=["facts", "old scan"])
    await records.judge("young", made_of=["facts", "young scan"], at=YOUNG)
    assert await records.forget() == Forgotten(verdicts=1, documents=1)
    assert await records.verdicts() == {"young"}
    assert [word for word in ("facts", "old scan", "young scan") if await records.has(word)] == ["facts", "young scan"]


async def test_the_last_verdict_on_a_manifest_that_can_be_pulled_stays_however_old_it_is(records: Records) -> None:
    await records.manifest()
    await records.judge("replaced")
    await records.judge("last", made_of=["facts"])
    await records.judge("replaced under the tag", tag="1.0")
    await records.judge("last under the tag", tag="1.0", made_of=["facts", "former"])
    await records.judge("elsewhere", repository=OTHER)
    assert await records.forget() == Forgotten(verdicts=3)
    assert await records.verdicts() == {"last", "last under the tag"}
    assert await records.has("facts")
    assert await records.has("former")


async def test_verdicts_that_an_index_lists_stay_with_its_own_at_any_depth(records: Records) -> None:
    await records.manifest("index", lists=["image"])
    await records.judge("of the image", made_of=["facts"])
    await records.judge("of the index in it", "inner", images=["of the image"])
    await records.judge("of the index", "index", images=["of the index in it"])
    await records.judge("of the image alone, later")
    assert await records.forget() == Forgotten(verdicts=1)
    assert await records.verdicts() == {"of the image", "of the index in it", "of the index"}
    assert await records.has("facts")


async def test_the_verdict_that_a_bill_of_materials_is_made_of_stays(records: Records) -> None:
    await records.manifest()
    await records.judge("told of", made_of=["facts"])
    await records.judge("last")
    async with records.database.transaction() as tx:
        form = SbomFormat.SPDX
        await sboms.want(tx, APP, digest("image"), form, verdict="told of", facts=digest("facts"))
    assert await records.forget() == NOTHING


async def test_nothing_is_said_of_how_long_verdicts_stay_so_they_all_do(records: Records) -> None:
    await records.judge("old", made_of=["facts"])
    await records.document("named by nothing")
    forever = replace(BOUNDS, verdicts=None)
    assert await preview(records.database, forever) == Forgotten(documents=1)
    assert await forget(records.database, forever) == Forgotten(documents=1)
    assert await records.verdicts() == {"old"}
    assert await records.has("facts")


async def test_documents_that_rows_name_stay(records: Records) -> None:
    await records.manifest(facts="facts")
    await records.document("policy of March")
    policy = AuditRecord(OLD, Event.POLICY_CHANGED, "imagegate", "", "in force", digest=str(digest("policy of March")))
    approval = Approval("a1", ApprovalKind.PACKAGES, "a list", (), digest("approved"))
    async with records.database.transaction() as tx:
        await audit.append(tx, policy)
        await approvals.add(tx, ApprovalRecord(approval, "owner", "reason", OLD, "alice"), b"approved")
        await approvals.revoke(tx, "a1", "alice", OLD)
        await tx.execute(
            sa.insert(schema.tag_packages).values(
                repository=APP.name, tag="1.0", position=1, packages=str(await documents.put(tx, b"packages"))
            )
        )
    assert await records.forget() == NOTHING
    async with records.database.transaction() as tx:
        await tag_packages.forget(tx, APP, Tag("1.0"))
    assert await records.forget() == Forgotten(documents=1)
    assert not await records.has("packages")


async def test_facts_of_layers_stay_while_a_manifest_or_the_registry_has_the_layer(records: Records) -> None:
    await records.manifest("image", "of an image")
    async with records.database.transaction() as tx:
        await registry.link_blob(tx, OTHER, digest("uploaded"), 7, OLD)
        for word in ("of an image", "uploaded", "of nothing", "found lately"):
            await layers.record_facts(tx, layer_facts(word), NOW if word == "found lately" else OLD)
        await layers.record_refusal(tx, LayerRefusal(digest("refused, of nothing"), "no archive"), OLD)
    assert await records.forget() == Forgotten(layers=2, documents=1)
    words = ("of an image", "uploaded", "of nothing", "found lately", "refused, of nothing")
    async with records.database.snapshot() as tx:
        found = await layers.find(tx, map(digest, words))
    assert found.keys() == {digest("of an image"), digest("uploaded"), digest("found lately")}


async def test_facts_that_an_older_version_found_go_although_the_layer_is_there(records: Records) -> None:
    await records.manifest("image", "layer")
    async with records.database.transaction() as tx:
        await layers.record_facts(tx, replace(layer_facts("layer", files=1), version=FACTS_VERSION - 1), OLD)
        await layers.record_facts(tx, layer_facts("layer"), OLD)
    assert await records.forget() == Forgotten(layers=1, documents=1)
    async with records.database.snapshot() as tx:
        assert await layers.find(tx, [digest("layer")]) == {digest("layer"): layer_facts("layer")}


async def test_more_than_is_looked_at_at_once(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "_AT_ONCE", 2)
    for number in range(5):
        await records.judge(f"verdict {number}", f"image {number}")
    await records.manifest("index", lists=[f"image {number}" for number in range(3)])
    await records.judge("of the index", "index", images=[f"verdict {number}" for number in range(3)])
    assert await records.forget() == Forgotten(verdicts=2, documents=2)


async def test_layers_that_are_inspected_anew_meanwhile_stay(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    async with records.database.transaction() as tx:
        await layers.record_facts(tx, layer_facts("layer"), OLD)

    async def late() -> None:
        async with records.database.transaction() as tx:
            await layers.record_facts(tx, layer_facts("layer"), NOW)

    after_the_mark(monkeypatch, late())
    assert await forget(records.database, BOUNDS) == NOTHING
    async with records.database.snapshot() as tx:
        assert await layers.find(tx, [digest("layer")])


@pytest.mark.parametrize("by", ["verdict", "row", "policy"])
async def test_a_document_that_is_named_after_it_was_found_to_be_unnamed_stays(
    records: Records, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    await records.document("facts")
    await records.document("other facts")

    async def late() -> None:
        if by == "verdict":
            await records.judge("late", made_of=["facts"], at=OLD)
        elif by == "row":
            await records.manifest(facts="facts")
        else:
            record = AuditRecord(OLD, Event.POLICY_CHANGED, "imagegate", "", "in force", digest=str(digest("facts")))
            async with records.database.transaction() as tx:
                await documents.put(tx, b"facts")
                await audit.append(tx, record)

    after_the_mark(monkeypatch, late())
    assert await forget(records.database, BOUNDS) == Forgotten(documents=1)
    assert await records.has("facts")
    assert not await records.has("other facts")


async def test_a_document_that_somebody_is_about_to_name_stays(records: Records) -> None:
    """The verdict is not committed when the document would go, and the document was there before."""
    await records.document("image")
    async with records.database.transaction() as tx:
        await documents.put(tx, b"image")
        forgetter = asyncio.create_task(forget(records.database, BOUNDS))
        await asyncio.wait([forgetter], timeout=0.3)  # time enough, were it not kept waiting
        assert not forgetter.done()
        await verdicts.append(tx, verdict("v1"))
    assert await forgetter == NOTHING
    assert await records.has("image")


def after_the_mark(monkeypatch: pytest.MonkeyPatch, late: object) -> None:
    """Await `late` once it was decided what may go, and before it does."""
    mark = forgetting._mark

    async def marked(database: Database, bounds: Bounds) -> object:
        found = await mark(database, bounds)
        await late  # type: ignore[misc]
        return found

    monkeypatch.setattr(forgetting, "_mark", marked)


def test_everything_a_verdict_names_is_a_document_but_the_snapshot_other_verdicts_and_parts() -> None:
    """A field that is new is either a document, and kept, or this test says that somebody must think about it."""
    known = {"manifest", "policy", "signatures", "facts", "approvals", "former", "sightings", "malware"}
    assert {field.name for field in fields(VerdictInputs)} == {
        *known,
        *("snapshot", "children", "media_type", "policy_here"),
    }
    named = {name: digest(name) for name in (*known, "snapshot", "policy_here")}
    inputs = VerdictInputs(media_type=OCI_MANIFEST, **named)  # type: ignore[arg-type]
    assert set(inputs.documents) == {named[name] for name in known}


class TestUnasked:
    """Manifests of remote registries, of which the gate hears no deletion. Only APP is at one."""

    UNASKED = replace(BOUNDS, manifests=NOW - timedelta(days=180), remote=lambda repository: repository == APP)

    async def forgotten(self, records: Records) -> set[str]:
        """Which of the manifests of APP go."""
        before = await self.on_record(records)
        foreseen = await preview(records.database, self.UNASKED)
        assert (await forget(records.database, self.UNASKED)).manifests == foreseen.manifests
        return before - await self.on_record(records)

    async def on_record(self, records: Records) -> set[str]:
        words = ("image", "index", "signature")
        async with records.database.snapshot() as tx:
            return {word for word in words if await manifests.find(tx, APP, digest(word))}

    async def test_what_nobody_asks_for_goes_and_the_next_time_what_it_leaves(self, records: Records) -> None:
        await records.manifest("image", "layer", facts="facts")
        await records.judge("old", made_of=["facts"])
        assert await forget(records.database, self.UNASKED) == Forgotten(manifests=1)
        assert await forget(records.database, self.UNASKED) == Forgotten(verdicts=1, documents=4)

    async def test_an_index_goes_first_then_what_it_lists_and_what_refers_to_that(self, records: Records) -> None:
        await records.manifest("index", lists=["image"])
        await records.manifest("image")
        async with records.database.transaction() as tx:
            signature = image("signature", subject="image")
            await manifests.record(tx, APP, signature, b"{}", held=False, facts=None, now=OLD)
        for expected in ({"index"}, {"image"}, {"signature"}, set()):
            assert await self.forgotten(records) == expected

    async def test_what_is_behind_the_gate_itself_stays(self, records: Records) -> None:
        await records.manifest(repository=OTHER)
        assert await forget(records.database, self.UNASKED) == NOTHING

    @pytest.mark.parametrize("why", ["held", "seen", "judged", "tag", "waiting tag", "new", "index", "subject"])
    async def test_what_is_needed_stays(self, records: Records, why: str) -> None:
        await records.manifest()
        where = schema.manifests.c.digest == str(digest("image"))
        async with records.database.transaction() as tx:
            if why == "held":
                await tx.execute(sa.update(schema.manifests).values(held=True).where(where))
            elif why == "seen":
                await manifests.note_seen(tx, [manifests.Seen(APP, digest("image"), OLD, YOUNG)])
            elif why == "new":
                await tx.execute(sa.update(schema.manifests).values(first_seen=YOUNG).where(where))
            elif why == "tag":
                await tag_history.record(tx, APP, Tag("1.0"), digest("image"), OLD)
            elif why == "waiting tag":
                await held_tags.hold(tx, APP, Tag("1.0"), digest("image"), OLD)
            elif why in ("index", "subject"):
                needs = index("index", "image") if why == "index" else image("index")
                await manifests.record(tx, APP, needs, b"{}", held=False, facts=None, now=YOUNG)
                if why == "subject":
                    await tx.execute(sa.update(schema.manifests).values(subject=str(digest("index"))).where(where))
        if why == "judged":
            await records.judge("young", at=YOUNG)
        assert await self.forgotten(records) == set()

    async def test_what_somebody_asks_for_meanwhile_stays(
        self, records: Records, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await records.manifest()
        find = manifests.unasked

        async def then_asked(tx: Transaction, before: datetime) -> object:
            found = await find(tx, before)
            async with records.database.transaction() as other:
                await manifests.note_seen(other, [manifests.Seen(APP, digest("image"), OLD, NOW)])
            return found

        monkeypatch.setattr(manifests, "unasked", then_asked)
        assert await forget(records.database, self.UNASKED) == NOTHING


REPOSITORIES = (APP, OTHER)
WORDS = [f"image {number}" for number in range(4)]


class Gate:
    """One process that pushes, pulls and deletes as gates do, with a clock that runs through years."""

    def __init__(self, database: Database, number: int, clock: list[datetime]) -> None:
        self.records = Records(database)
        self.database = database
        self.clock = clock
        self.chance = random.Random(number)  # noqa: S311 - repeatable
        self.name = f"gate {number}"
        self.made = 0

    async def act(self) -> None:
        """Do one thing."""
        self.clock[0] += timedelta(days=40)
        repository, word = self.chance.choice(REPOSITORIES), self.chance.choice(WORDS)
        what = self.chance.random()
        if what < 0.5:
            await self.judge(repository, word, records=True)
        elif what < 0.6:
            await self.judge(repository, word, records=False)  # refused
        elif what < 0.75:
            await self.judge_index(repository)
        elif what < 0.9:
            async with self.database.transaction() as tx:
                await manifests.forget(tx, repository, digest(self.chance.choice([word, "index"])))
        else:
            await self.look()

    async def judge(self, repository: Repository, word: str, *, records: bool) -> str:
        """What pushing and judging again record, in one transaction."""
        self.made += 1
        name = f"{self.name}, {self.made}"
        async with self.database.transaction() as tx:
            await self._put(tx, name, repository, word)
            if records:
                facts = digest(f"facts of {word}")
                await manifests.record(tx, repository, image(word), b"{}", held=False, facts=facts, now=self.clock[0])
        return name

    async def judge_index(self, repository: Repository) -> None:
        """The same of an index, with its images."""
        self.made += 1
        name = f"{self.name}, {self.made}"
        async with self.database.transaction() as tx:
            images = [f"{name}: {word}" for word in WORDS[:2]]
            for one, word in zip(images, WORDS[:2], strict=True):
                await self._put(tx, one, repository, word)
            await self._put(tx, name, repository, "index", images)
            listing = index("index", *WORDS[:2])
            await manifests.record(tx, repository, listing, b"{}", held=False, facts=None, now=self.clock[0])

    async def _put(
        self,
        tx: Transaction,
        name: str,
        repository: Repository,
        word: str,
        images: Collection[str] = (),
    ) -> None:
        for body in (word, "policy", "signatures", f"facts of {word}"):
            await documents.put(tx, body.encode())
        inputs = VerdictInputs(
            digest(word),
            OCI_MANIFEST,
            digest("policy"),
            digest("signatures"),
            facts=digest(f"facts of {word}"),
            children=tuple(images),
        )
        await verdicts.append(tx, replace(verdict(name, repository, word), inputs=inputs, judged_at=self.clock[0]))

    async def look(self) -> None:
        """Whatever can be pulled has its last verdict, with all that it was made of."""
        async with self.database.snapshot() as tx:
            for row in await tx.execute(sa.select(schema.manifests.c.repository, schema.manifests.c.digest)):
                last = await verdicts.latest(tx, Repository(row.repository), Digest.parse(row.digest))
                assert last is not None, f"{row.repository}@{row.digest} lost its verdict"
                judged = [last, *[await verdicts.get(tx, name) for name in last.inputs.children]]
                for one in judged:
                    assert one is not None, f"{last.id} lost the verdict on an image it lists"
                    for document in one.inputs.documents:
                        assert await documents.get(tx, document) is not None, f"{one.id} lost {document}"

    async def forget_for_ever(self, forgotten: list[Forgotten]) -> None:
        """Collect again and again."""
        while True:
            before = self.clock[0] - timedelta(days=365)
            forgotten.append(await forget(self.database, Bounds(before, before)))
            await asyncio.sleep(0)


@pytest.fixture
async def gates(database_url: str) -> AsyncIterator[list[Gate]]:
    """Four processes on one database."""
    clock = [OLD]
    made = [Gate(await Database.open(database_url), number, clock) for number in range(4)]
    yield made
    for gate in made:
        await gate.database.close()


async def test_nothing_that_can_still_be_pulled_ever_loses_its_verdict(gates: list[Gate]) -> None:
    forgotten: list[Forgotten] = []
    collectors = [asyncio.create_task(gate.forget_for_ever(forgotten)) for gate in gates[2:]]

    async def use(gate: Gate) -> None:
        for _ in range(40):
            await gate.act()

    try:
        await asyncio.gather(*map(use, gates))
    finally:
        for task in collectors:
            task.cancel()
        ended = await asyncio.gather(*collectors, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended), ended
    await gates[0].look()
    assert sum(one.verdicts for one in forgotten) > 20, "hardly anything was forgotten, so nothing was shown"

    async with gates[0].database.transaction() as tx:
        for repository in REPOSITORIES:
            for word in (*WORDS, "index"):
                await manifests.forget(tx, repository, digest(word))
    later = gates[0].clock[0] + timedelta(days=1)
    await forget(gates[0].database, Bounds(later, later))
    async with gates[0].database.snapshot() as tx:
        assert await verdicts.list_newest(tx, limit=10) == ()
        assert await tx.scalar(sa.select(sa.func.count()).select_from(schema.documents)) == 0
