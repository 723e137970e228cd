"""What waits, what was refused, and why: the same as at the terminal, for whoever may pull or push the repository."""

from dataclasses import replace

import pytest

from config.vocabulary import Mode
from proxy.identity.principal import Role
from scanning.oci.names import Repository, Tag
from scanning.verdict import Outcome, Verdict
from storage import held_tags, manifests, verdicts
from storage.database import Database
from tests.proxy.console.browser import Browser
from tests.proxy.console.conftest import SignedIn
from tests.storage.values import APP, NOW, image, verdict

SECRET = Repository("payroll/app")
HOSTILE = '"><script>alert(1)</script><b onclick=x> \x1b[31m\u202egnp.exe'


async def keep(database: Database, *kept: Verdict) -> None:
    async with database.transaction() as tx:
        for one in kept:
            await verdicts.append(tx, one)


@pytest.fixture
async def decided(database: Database) -> None:
    """Verdicts on an image of the developer's, and on one of other people's."""
    await keep(
        database,
        verdict("admitted0", outcome=Outcome.ADMIT, manifest="good"),
        verdict("refused00", manifest="bad", why="is a client for remote shells"),
        verdict("payroll00", repository=SECRET, manifest="secret"),
    )


@pytest.mark.usefixtures("decided")
async def test_verdicts_are_listed_for_whoever_may_read_them(developer: Browser, admin: Browser) -> None:
    page = await developer.get("/console/verdicts")
    assert [row[0] for row in page.rows()] == ["refused00", "admitted0"]
    assert page.rows()[0][1:3] == ["2026-03-01 12:30", "reject"]
    assert page.rows()[0][4] == "ssh: is a client for remote shells deny.tools"
    assert [row[0] for row in (await admin.get("/console/verdicts")).rows()] == ["payroll00", "refused00", "admitted0"]


@pytest.mark.usefixtures("decided")
async def test_verdicts_are_found_by_repository_and_outcome(admin: Browser) -> None:
    form = (await admin.get("/console/verdicts")).form("/console/verdicts")
    page = await admin.submit(form, repository="payroll/app", outcome="reject")
    assert [row[0] for row in page.rows()] == ["payroll00"]
    page = await admin.submit(form, repository="payroll/app", outcome="admit")
    assert "No verdict matches." in page.text


async def test_long_lists_go_on(database: Database, developer: Browser) -> None:
    of_others = [verdict(f"o{number:03}", repository=SECRET, manifest=f"{number}") for number in range(60)]
    ours = [verdict(f"v{number:03}", manifest=f"{number}") for number in range(60)]
    await keep(database, *(one for pair in zip(of_others, ours, strict=True) for one in pair))
    page = await developer.get("/console/verdicts?outcome=reject")
    seen = [row[0] for row in page.rows()]
    (older,) = (link for link in page.links if "last=" in link)
    seen += [row[0] for row in (await developer.get(older)).rows()]
    assert seen == [one.id for one in reversed(ours)]


async def test_t120_what_others_pushed_is_passed_over_in_several_requests(
    database: Database, developer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.gate.decided._AT_ONCE", 10)
    monkeypatch.setattr("proxy.gate.decided._MOST_LOOKED_AT", 20)
    await keep(database, verdict("ours"))
    await keep(database, *(verdict(f"o{number:03}", repository=SECRET, manifest=f"{number}") for number in range(50)))

    page, pages = await developer.get("/console/verdicts"), 1
    while older := [link for link in page.links if "last=" in link]:
        assert page.rows() == []
        assert "None of the newest ones is for you to see" in page.text
        page, pages = await developer.get(older[0]), pages + 1

    assert (pages, [row[0] for row in page.rows()]) == (3, ["ours"])


@pytest.mark.usefixtures("decided")
async def test_a_verdict_is_told_with_what_to_do(developer: Browser) -> None:
    page = await developer.get("/console/verdicts/refused00")
    assert page.heading == "REFUSED"
    assert "1 thing to do." in page.text
    assert "Remove 1 tool deny.tools: reject ssh in usr/bin/ssh: is a client for remote shells ⇒ remove it" in page.text
    assert "waived CVE-2026-1 until spring" in page.text
    assert "at 2026-03-01 13:30 UTC at the latest" in page.text


@pytest.mark.usefixtures("decided")
@pytest.mark.parametrize("name", ["payroll00", "nothing"])
async def test_a_verdict_of_others_is_as_unknown_as_none(developer: Browser, name: str) -> None:
    page = await developer.get(f"/console/verdicts/{name}")
    assert page.status == 404
    assert "there is no such verdict, or its repository is not yours to see" in page.text


async def test_what_audit_mode_lets_through_is_told_so(database: Database, developer: Browser) -> None:
    await keep(database, replace(verdict("audited00"), mode=Mode.AUDIT))
    assert (await developer.get("/console/verdicts")).rows()[0][2] == "reject (audit)"
    page = await developer.get("/console/verdicts/audited00")
    assert page.heading == "REFUSED (audit mode: let through and recorded)"


async def test_t98_what_an_image_says_of_itself_is_text(database: Database, developer: Browser) -> None:
    told = verdict("hostile00")
    violation = replace(told.violations[0], subject=HOSTILE, where=HOSTILE, fix=HOSTILE, created_by=HOSTILE)
    await keep(database, replace(told, violations=(violation,), base=HOSTILE, waived=(HOSTILE,)))
    for path in ("/console/", "/console/verdicts", "/console/verdicts/hostile00"):
        page = await developer.get(path)
        assert not list(page.tree.iter("script"))
        assert "<script>alert(1)</script>" in page.text  # as it was written
        assert r"\x1b[31m\u202egnp.exe" in page.text
        assert "\x1b" not in page.html
        assert "\u202e" not in page.html


async def test_t98_the_name_of_a_token_is_text(signed_in: SignedIn) -> None:
    browser = await signed_in(Role.OPERATOR, name="<b>&amp;")
    assert "Signed in as <b>&amp; (operator)" in (await browser.get("/console/")).text


async def test_the_overview_says_what_waits_and_what_was_refused(database: Database, developer: Browser) -> None:
    page = await developer.get("/console/")
    assert "Nothing waits in the repositories that this token covers." in page.text
    assert "Nothing was refused in the repositories that this token covers." in page.text
    assert "Everything answers, and there is nothing to warn of." in page.text
    waits = verdict("waiting00", repository=APP, outcome=Outcome.QUARANTINE, manifest="new")
    others = verdict("waiting01", repository=SECRET, outcome=Outcome.QUARANTINE, manifest="new")
    async with database.transaction() as tx:
        for one in (waits, others):
            repository = Repository(one.repository)
            await manifests.record(tx, repository, image("new"), b"{}", held=True, facts=None, now=NOW)
            await held_tags.hold(tx, repository, Tag("1.0"), one.digest, NOW)
    await keep(database, waits, others, verdict("refused00", manifest="bad"))
    page = await developer.get("/console/")
    waiting, refused = page.rows()
    assert waiting[0].startswith("team/app:1.0@sha256:")
    assert waiting[1:] == ["2026-03-01 12:30", "ssh: is denied deny.tools", "waiting00"]
    assert refused[0] == "refused00"
    assert "Waiting in quarantine (1)" in page.text
