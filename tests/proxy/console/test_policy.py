"""The policy, exceptions and approvals in the console of a whole gate: seen, tried, changed and ended by admins."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from proxy.identity.principal import Role
from storage import audit
from storage.audit import AuditRecord, Event
from tests.images import debian, image
from tests.proxy.cli.conftest import SSH, push
from tests.proxy.console.browser import Browser, Page
from tests.proxy.console.gates import Gate
from tests.proxy.whole_gate import whole_gate
from tests.scanning.signatures.signing import new_key, pem

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLEAN = image(debian(("openssl", "3.0.14-1")))
EDIT = "/console/policy/edit"
STRICT = """\
version: 1
name: strict
rules:
  - repositories: ["**"]
    deny:
      packages: {purls: ["pkg:deb/debian/openssl"]}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gate(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gate]:
    """A gate with an admitted image and a refused one."""
    async with whole_gate(tmp_path_factory.mktemp("console")) as (url, services, session):
        await push(services, CLEAN, "team/app:1")
        await push(services, image(debian(), SSH), "team/app:refused")
        yield Gate(url, session, services)


@pytest_asyncio.fixture(loop_scope="module")
async def admin(gate: Gate) -> Browser:
    """An admin of everything."""
    return await gate.signed_in(Role.ADMIN)


async def last_record(gate: Gate, event: Event) -> AuditRecord:
    """The newest of its kind: the gate itself records meanwhile that it has taken a policy up."""
    async with gate.services.database.snapshot() as tx:
        ((_, record),) = await audit.newest(tx, event=event, limit=1)
    return record


async def change(browser: Browser, text: str, what: str) -> Page:
    form = (await browser.get(EDIT)).form(EDIT)
    return await browser.submit(form, text=text, do=what)


async def test_the_policy_is_shown_as_its_file_says_it(gate: Gate, admin: Browser) -> None:
    page = await admin.get("/console/policy")
    lines = [str(code.text) for pre in page.tree.iter("pre") for code in pre.iter("code")]
    assert "".join(lines).rstrip("\n") == gate.services.policy.written.text.rstrip("\n")
    assert str(gate.services.policy.current.digest) in page.text


async def test_what_a_change_would_change_is_told_and_nothing_is_done(gate: Gate, admin: Browser) -> None:
    page = await change(admin, STRICT, "check")
    assert page.rows(), page.text
    (row,) = page.rows()
    assert row[:3] == ["team/app:1", "admit", "reject"]
    assert "openssl" in row[3]
    assert page.form(EDIT).fields["text"].strip() == STRICT.strip()
    assert "name: strict" not in gate.services.policy.path.read_text()
    page = await change(admin, gate.services.policy.written.text, "check")
    assert "nothing that is known would be judged otherwise" in page.text


async def test_mistakes_are_told_with_their_lines_and_the_text_is_kept(admin: Browser) -> None:
    broken = STRICT.replace("deny:", "dney:")
    for what in ("check", "save"):
        page = await change(admin, broken, what)
        assert page.status == 400
        assert "dney" in page.text
        assert page.form(EDIT).fields["text"].strip() == broken.strip()
    assert "line 5" in (await change(admin, broken, "check")).text


async def test_two_admins_do_not_overwrite_each_other(gate: Gate, admin: Browser) -> None:
    first, second = (await admin.get(EDIT)).form(EDIT), (await admin.get(EDIT)).form(EDIT)
    text = first.fields["text"]
    page = await admin.submit(first, text=f"# by the first\r\n{text}", do="save")
    assert "The policy is written, and in force within a second." in page.text
    assert gate.services.policy.path.read_text().startswith("# by the first\n")
    assert (await last_record(gate, Event.POLICY_WRITTEN)).actor == "alice"
    page = await admin.submit(second, text=f"# by the second\n{text}", do="save")
    assert page.status == 412
    assert "the policy has changed since you read it" in page.text
    assert gate.services.policy.path.read_text().startswith("# by the first\n")


async def test_a_broken_file_is_shown_with_its_mistakes_and_mended(gate: Gate, admin: Browser) -> None:
    path = gate.services.policy.path
    good = path.read_text()
    path.write_text(good.replace("version", "vresion"))
    page = await admin.get(EDIT)
    (problem,) = (each for each in page.tree.iter("div") if each.get("role") == "alert")
    assert "vresion" in "".join(problem.itertext())
    form = page.form(EDIT)
    assert form.fields["text"].strip() == path.read_text().strip()
    page = await admin.submit(form, text=good, do="save")
    assert "The policy is written, and in force within a second." in page.text
    assert path.read_text().rstrip("\n") == good.rstrip("\n")


@pytest.mark.parametrize(
    "path", ["/console/policy", EDIT, "/console/exceptions", "/console/approvals", "/console/exceptions/x"]
)
async def test_others_neither_see_it_nor_change_it(gate: Gate, path: str) -> None:
    developer = await gate.signed_in(Role.DEVELOPER)
    assert (await developer.get("/console/")).sections == ["Overview", "Images", "Verdicts"]
    assert (await developer.get(path)).status == 403
    form = (await developer.get("/console/")).form("/console/sign-out").fields
    assert (await developer.post(EDIT, {**form, "text": STRICT, "do": "save"})).status == 403
    wanted = {**form, "findings": "CVE-1", "repositories": "**", "reason": "x", "expires": "1d", "image": "team/app:1"}
    for target in ("/console/exceptions", "/console/approvals"):
        assert (await developer.post(target, wanted)).status == 403


async def test_an_admin_of_some_repositories_changes_no_policy(gate: Gate) -> None:
    some = await gate.signed_in(Role.ADMIN, "team/**")
    assert "Policy" not in (await some.get("/console/exceptions")).sections
    for target in ("/console/policy", EDIT):
        assert (await some.get(target)).status == 403
    form = (await some.get("/console/")).form("/console/sign-out").fields
    page = Page(await some.post(EDIT, {**form, "text": STRICT, "do": "save"}))
    assert (page.status, "does not cover **" in page.text) == (403, True)


async def test_a_signer_is_added_seen_and_removed(gate: Gate, admin: Browser) -> None:
    path = gate.services.policy.path
    written = path.read_text()
    form = (await admin.get("/console/signers")).form("/console/signers")
    page = await admin.submit(form, name="release@team", key="cosign.key", repositories="signed/**")
    assert (page.status, "this is not a public key in PEM form" in page.text) == (400, True)
    key = pem(new_key()).replace("\n", "\r\n")  # as browsers send it
    page = await admin.submit(page.form("/console/signers"), key=key, expires="365d")
    assert "Signatures by release@team count for signed/**" in page.text
    assert page.rows()[0][:2] == ["release@team", "signed/**"]
    assert "signer release@team (key " in (await last_record(gate, Event.SIGNER_ADDED)).detail

    form = (await admin.get("/console/signers/release@team")).form("/console/signers/release@team/remove")
    some = await gate.signed_in(Role.ADMIN, "team/**")
    assert "Signers" not in (await some.get("/console/exceptions")).sections
    sent = {**form.fields, **(await some.get("/console/")).form("/console/sign-out").fields}
    for refused in (await some.get("/console/signers"), Page(await some.post(form.action, sent))):
        assert (refused.status, "does not cover **" in refused.text) == (403, True)
    page = await admin.submit(form)
    assert "Signatures by release@team count no more" in page.text
    assert "Nobody's signatures count for signed/** any more: " in "".join(page.tree.itertext())
    assert path.read_text() == written.rstrip().removesuffix("}") + ", signers: {}}"
    assert (await last_record(gate, Event.SIGNER_REMOVED)).actor == "alice"
    assert (await admin.get("/console/signers/release@team")).status == 404


async def test_an_exception_is_made_seen_and_ended(gate: Gate, admin: Browser) -> None:
    form = (await admin.get("/console/exceptions")).form("/console/exceptions")
    page = await admin.submit(form, tools="ssh-client", repositories="team/app", reason="a <b>ticket</b>", expires="7d")
    assert "in force within a second" in page.text
    (row,) = page.rows()
    assert (row[0], row[1], row[2], row[3], row[5]) == (
        "ssh-client",
        "team/app",
        "a <b>ticket</b>",
        "alice",
        "in force",
    )
    assert (await last_record(gate, Event.WAIVER_CREATED)).actor == "alice"
    (link,) = (link for link in page.links if link.startswith("/console/exceptions/"))
    page = await admin.submit((await admin.get(link)).form(f"{link}/end"))
    assert "has ended" in page.text
    assert page.rows()[0][5] == "ended"
    assert (await last_record(gate, Event.WAIVER_ENDED)).actor == "alice"


async def test_a_refused_verdict_leads_admins_to_an_exception_for_its_image(gate: Gate, admin: Browser) -> None:
    refused, admitted = [
        (await admin.get(f"/console/verdicts?outcome={outcome}")).rows()[-1][0] for outcome in ("reject", "admit")
    ]
    (link,) = await _exceptions_offered(admin, refused)
    fields = (await admin.get(link.partition("#")[0])).form("/console/exceptions").fields
    assert fields["repositories"] == "team/app"
    assert fields["digest"].startswith("sha256:")
    assert not await _exceptions_offered(admin, admitted)
    assert not await _exceptions_offered(await gate.signed_in(Role.DEVELOPER), refused)


async def _exceptions_offered(browser: Browser, verdict_id: str) -> list[str]:
    page = await browser.get(f"/console/verdicts/{verdict_id}")
    assert page.status == 200
    return [link for link in page.links if link.startswith("/console/exceptions?")]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"tools": ""}, "a waiver names what it covers"),
        ({"tools": "hammer"}, "tools"),
        ({"expires": ""}, "is no length of time"),
        ({"reason": " "}, "reason"),
        ({"repositories": ""}, "repositories"),
        ({"digest": "latest"}, "digest"),
        ({"packages": "openssl"}, "packages"),
    ],
)
async def test_what_is_no_exception_is_told_above_the_form(admin: Browser, wrong: dict[str, str], said: str) -> None:
    form = (await admin.get("/console/exceptions")).form("/console/exceptions")
    given = {"tools": "ssh-client", "repositories": "team/app", "reason": "kept", "expires": "7d"} | wrong
    page = await admin.submit(form, **given)
    assert page.status == 400
    (problem,) = (each for each in page.tree.iter("div") if each.get("role") == "alert")
    assert said in "".join(problem.itertext())
    kept = page.form("/console/exceptions").fields
    assert kept["reason"].strip() == given["reason"].strip()


async def test_a_base_image_is_approved_and_taken_back(gate: Gate, admin: Browser) -> None:
    form = (await admin.get("/console/approvals")).form("/console/approvals")
    page = await admin.submit(form, image="team/app:1", repositories="team/**", reason="reviewed", owner="platform")
    (row,) = page.rows()
    assert (row[0], row[1:5], row[7]) == ("team/app:1", ["base", "team/**", "platform", "reviewed"], "in force")
    (link,) = (link for link in page.links if link.startswith("/console/approvals/"))
    page = await admin.get(link)
    assert "openssl" in page.text
    page = await admin.submit(page.form(f"{link}/revoke"))
    assert page.rows()[0][7].startswith("revoked")
    assert (await last_record(gate, Event.APPROVAL_REVOKED)).actor == "alice"


async def test_packages_are_approved_with_where_they_were_seen(admin: Browser) -> None:
    form = (await admin.get("/console/approvals")).form("/console/approvals")
    wanted = {"packages": "pkg:npm/left-pad@1.3.0", "repositories": "**", "reason": "reviewed"}
    page = await admin.submit(form, **wanted)
    assert (page.status, "say where the packages were seen" in page.text) == (400, True)
    page = await admin.submit(form, **wanted, source="ticket 7")
    assert page.rows()[0][:2] == ["ticket 7", "packages"]
    page = await admin.submit(form, **wanted, source="ticket 7", image="team/app:1")
    assert "name either an image or packages" in page.text
    page = await admin.submit(form, image="team/none:1", repositories="**", reason="reviewed")
    assert page.status == 404
