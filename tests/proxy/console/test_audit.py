"""The audit in the console: for admins, filtered, and as a file that starts nothing in a spreadsheet."""

import csv
import io
import json
from dataclasses import replace

from proxy.identity.principal import Role
from storage import audit
from storage.audit import AuditRecord, Event
from storage.database import Database
from tests.proxy.console.browser import Browser
from tests.proxy.console.conftest import SignedIn
from tests.proxy.face import START

PUSHED = AuditRecord(START, Event.PUSH, "ci", "192.0.2.1", "admit", "team/app")


async def record(database: Database, pushed: AuditRecord) -> None:
    async with database.transaction() as tx:
        await audit.append(tx, pushed)


async def test_records_are_listed_filtered_and_lead_to_verdicts(database: Database, admin: Browser) -> None:
    await record(database, replace(PUSHED, reference="1.0", verdict="v1"))
    await record(database, replace(PUSHED, repository="other/app", actor="bot"))
    page = await admin.get("/console/audit")
    assert [row[1] for row in page.rows()] == ["push", "push", "signed-in", "token-created", "token-created"]
    form = page.form("/console/audit")
    page = await admin.submit(form, repository="team/app")
    assert page.rows() == [["2026-01-01 00:00:00", "push", "ci", "192.0.2.1", "team/app 1.0", "admit", "v1"]]
    assert "/console/verdicts/v1" in page.links
    assert [row[2] for row in (await admin.submit(form, actor="bot")).rows()] == ["bot"]
    assert [row[1] for row in (await admin.submit(form, event="signed-in")).rows()] == ["signed-in"]
    assert "No record matches." in (await admin.submit(form, actor="nobody")).text


async def test_long_lists_go_on(database: Database, admin: Browser) -> None:
    async with database.transaction() as tx:
        for number in range(150):
            await audit.append(tx, AuditRecord(START, Event.PULL, "ci", "", "served", reference=str(number)))
    page = await admin.get("/console/audit?event=pull")
    seen = [row[4] for row in page.rows()]
    (older,) = (link for link in page.links if "last=" in link)
    seen += [row[4] for row in (await admin.get(older)).rows()]
    assert seen == [str(number) for number in reversed(range(150))]


async def test_t99_a_file_holds_all_and_no_formula(database: Database, admin: Browser) -> None:
    formula = '=HYPERLINK("https://evil.example";"open")'
    await record(database, replace(PUSHED, reference=formula, detail='a, "b"\nc', actor="+1"))
    answer = await admin.send("GET", "/console/audit/download?format=csv&event=push")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="audit.csv"'
    (row,) = csv.DictReader(io.StringIO(answer.body.decode()))
    assert (row["reference"], row["actor"], row["event"]) == (f"'{formula}", "'+1", "push")
    assert row["detail"] == 'a, "b"\\nc'
    written = {"x;=cmd|'/C calc'!A0; +1": "x;'=cmd|'/C calc'!A0;' +1", 'x;"@SUM': "x;'\"@SUM", "a-b; c=d": "a-b; c=d"}
    for account in written:
        await record(database, replace(PUSHED, actor=account, event=Event.LOGIN_FAILED))
    answer = await admin.send("GET", "/console/audit/download?format=csv&event=login-failed")
    rows = csv.DictReader(io.StringIO(answer.body.decode()))
    assert [row["actor"] for row in rows] == [*reversed(written.values())]
    answer = await admin.send("GET", "/console/audit/download?format=jsonl&event=push")
    (line,) = answer.body.decode().splitlines()
    assert json.loads(line)["reference"] == formula
    assert answer.headers["Content-Type"] == "application/jsonl; charset=utf-8"


async def test_only_admins_read_it_and_those_of_some_repositories_only_of_these(signed_in: SignedIn) -> None:
    developer = await signed_in(Role.DEVELOPER)
    assert "Audit" not in (await developer.get("/console/")).sections
    for path in ("/console/audit", "/console/audit/download?format=csv"):
        assert (await developer.send("GET", path)).status == 403
    some = await signed_in(Role.ADMIN, "team/**", name="tess")
    unnamed = await some.get("/console/audit")
    assert (unnamed.status, unnamed.rows()) == (200, [])
    assert "Name a repository above" in unnamed.text
    assert (await some.send("GET", "/console/audit/download?format=csv")).status == 403
    assert (await some.get("/console/audit?repository=payroll/app")).status == 403
    assert (await some.get("/console/audit?repository=team/app")).status == 200
