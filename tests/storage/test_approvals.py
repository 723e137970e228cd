"""What an admin approved, and revoked again."""

from config.patterns import RepositoryPattern
from scanning.approvals import Approval, ApprovalKind, Approvals, ApprovedSet, BaseContent
from scanning.documents import encode
from scanning.oci.digest import Digest
from storage import approvals, documents
from storage.approvals import ApprovalRecord
from storage.database import Database
from tests.storage.values import LATER, NOW, digest

BASE = encode(
    BaseContent(
        "base/debian", digest("m"), "linux/amd64", "Debian 12", (digest("l"),), (digest("d"),), ("pkg:deb/a@1",)
    )
)
PACKAGES = encode(ApprovedSet(("pkg:npm/left-pad@1.3.0",)))


def record(name: str, kind: ApprovalKind, content: bytes, *repositories: str) -> ApprovalRecord:
    """An approval of everything that `content` says."""
    patterns = tuple(map(RepositoryPattern, repositories or ("**",)))
    approval = Approval(name, kind, f"image {name}", patterns, Digest.of(content))
    return ApprovalRecord(approval, "team base", "looked at", NOW, "alice")


async def test_what_is_approved_is_in_force_where_it_holds(database: Database) -> None:
    async with database.transaction() as tx:
        await approvals.add(tx, record("b", ApprovalKind.BASE, BASE), BASE)
        await approvals.add(tx, record("p", ApprovalKind.PACKAGES, PACKAGES, "web/*"), PACKAGES)

        found = await approvals.in_force(tx)

    assert [base.name for base in found.bases_for("team/app")] == ["image b"]
    assert found.bases_for("team/app")[0].content.packages == ("pkg:deb/a@1",)
    assert found.packages_for("web/shop") == {"pkg:npm/left-pad@1.3.0"}
    assert found.packages_for("team/app") == frozenset()


async def test_nothing_is_approved_at_first(database: Database) -> None:
    async with database.snapshot() as tx:
        assert await approvals.in_force(tx) == Approvals() == await approvals.named(tx, None)
        assert await approvals.list_all(tx) == ()


async def test_a_revoked_approval_counts_for_nothing_and_stays_on_record(database: Database) -> None:
    async with database.transaction() as tx:
        await approvals.add(tx, record("b", ApprovalKind.BASE, BASE), BASE)

        assert await approvals.revoke(tx, "b", "bob", LATER)
        assert not await approvals.revoke(tx, "b", "bob", LATER)
        assert not await approvals.revoke(tx, "another", "bob", LATER)

        assert await approvals.in_force(tx) == Approvals()
        kept = await approvals.get(tx, "b")
        assert kept is not None
        assert (kept.revoked_by, kept.revoked_at, kept.owner, kept.reason) == ("bob", LATER, "team base", "looked at")
        assert await approvals.list_all(tx, ApprovalKind.BASE) == (kept,)
        assert await approvals.list_all(tx, ApprovalKind.PACKAGES) == ()


async def test_every_change_changes_the_stamp(database: Database) -> None:
    async with database.transaction() as tx:
        stamps = [await approvals.stamp(tx)]
        await approvals.add(tx, record("b", ApprovalKind.BASE, BASE), BASE)
        stamps.append(await approvals.stamp(tx))
        await approvals.revoke(tx, "b", "bob", LATER)
        stamps.append(await approvals.stamp(tx))
        await approvals.add(tx, record("c", ApprovalKind.BASE, BASE), BASE)
        stamps.append(await approvals.stamp(tx))

    assert len(set(stamps)) == 4


async def test_what_was_in_force_once_is_found_by_its_digest(database: Database) -> None:
    async with database.transaction() as tx:
        await approvals.add(tx, record("b", ApprovalKind.BASE, BASE), BASE)
        old = await approvals.in_force(tx)
        await documents.put(tx, old.document)
        await approvals.revoke(tx, "b", "bob", LATER)

        assert await approvals.named(tx, old.digest) == old
