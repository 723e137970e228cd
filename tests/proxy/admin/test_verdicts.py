"""Reading verdicts over HTTP."""

from dataclasses import replace

import pytest

from config.vocabulary import Effect, Mode
from proxy.identity.principal import Role
from scanning.oci.digest import Digest
from scanning.oci.manifest import ManifestKind
from scanning.oci.media_types import OCI_MANIFEST
from scanning.verdict import Outcome, Verdict, VerdictInputs, Violation
from storage import verdicts
from tests.proxy.face import START, Face

MANIFEST = Digest.of(b"manifest")
VIOLATION = Violation(
    "deny.tools", Effect.REJECT, "openssh-client 1:9.2\x1b[31m", "/usr/bin/ssh", "is an ssh client", "remove it"
)
VERDICT = Verdict(
    id="v1",
    repository="team/app",
    digest=MANIFEST,
    kind=ManifestKind.IMAGE,
    outcome=Outcome.REJECT,
    mode=Mode.ENFORCE,
    violations=(VIOLATION,),
    warnings=(),
    waived=(),
    counts=(("packages", 3),),
    inputs=VerdictInputs(MANIFEST, OCI_MANIFEST, Digest.of(b"policy"), Digest.of(b"signatures")),
    judged_at=START,
)


@pytest.fixture(autouse=True)
async def _verdict(face: Face) -> None:
    async with face.services.database.transaction() as tx:
        await verdicts.append(tx, VERDICT)


async def test_a_verdict_says_everything(face: Face) -> None:
    answer = await face.call("GET", "/api/v1/verdicts/v1")
    assert answer.status == 200
    assert answer.json["outcome"] == "reject"
    assert answer.json["counts"] == {"packages": 3}
    assert answer.json["violations"][0]["rule"] == "deny.tools"
    assert answer.json["inputs"]["manifest"] == str(MANIFEST)


async def test_people_can_have_it_as_text(face: Face) -> None:
    answer = await face.call("GET", "/api/v1/verdicts/v1", headers={"Accept": "text/plain"})
    assert answer.headers["Content-Type"].startswith("text/plain")
    text = answer.body.decode()
    assert text.startswith("REFUSED\n")
    assert f"team/app@{MANIFEST}" in text
    assert "1.  Remove 1 tool [deny.tools: reject]\n" in text
    assert "- openssh-client 1:9.2\\x1b[31m in /usr/bin/ssh: is an ssh client\n" in text
    assert "  => remove it\n" in text


async def test_a_stranger_cannot_tell_a_verdict_from_none(face: Face) -> None:
    _, stranger = await face.new_token(Role.ADMIN, "other/**")
    answers = [await face.call("GET", f"/api/v1/verdicts/{name}", token=stranger) for name in ("v1", "none")]
    assert {answer.status for answer in answers} == {404}
    assert len({answer.body for answer in answers}) == 1
    assert (await face.call("GET", "/api/v1/verdicts?repository=team/app", token=stranger)).status == 404
    assert (await face.call("GET", "/api/v1/verdicts/v1", token="")).status == 401


async def test_a_bearer_token_needs_scope_for_the_repository(face: Face) -> None:
    other = {"Authorization": await face.bearer("repository:team/other:pull")}
    answer = await face.call("GET", "/api/v1/verdicts/v1", headers=other)
    assert answer.status == 401
    assert 'scope="repository:team/app:pull"' in answer.headers["WWW-Authenticate"]
    right = {"Authorization": await face.bearer("repository:team/app:pull")}
    assert (await face.call("GET", "/api/v1/verdicts/v1", headers=right)).status == 200


async def test_the_newest_of_a_repository(face: Face) -> None:
    answer = await face.call("GET", "/api/v1/verdicts?repository=team/app&n=5")
    assert [verdict["id"] for verdict in answer.json["verdicts"]] == ["v1"]
    assert (await face.call("GET", "/api/v1/verdicts")).status == 400
    assert (await face.call("GET", "/api/v1/verdicts?repository=team/app&n=101")).status == 400


async def test_older_ones_are_where_the_link_leads(face: Face) -> None:
    async with face.services.database.transaction() as tx:
        for name in ("v2", "v3"):
            await verdicts.append(tx, replace(VERDICT, id=name))
    asked, seen = "/api/v1/verdicts?repository=team/app&outcome=reject&n=2", []
    while asked:
        answer = await face.call("GET", asked)
        seen.append([verdict["id"] for verdict in answer.json["verdicts"]])
        asked = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert seen == [["v3", "v2"], ["v1"]]


@pytest.mark.parametrize(("outcome", "found"), [("reject", 1), ("admit", 0), ("quarantine", 0)])
async def test_those_with_one_outcome(face: Face, outcome: str, found: int) -> None:
    answer = await face.call("GET", f"/api/v1/verdicts?repository=team/app&outcome={outcome}")
    assert len(answer.json["verdicts"]) == found


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("verdicts?repository=team/app&outcome=rejected", "there is no outcome 'rejected'; there are admit, "),
        (
            "verdicts?repository=team/app&otcome=reject",
            "there is no parameter 'otcome' at this address; there are: rep",
        ),
        ("verdicts/v1?format=text", "there is no parameter 'format' at this address; there are none"),
        ("images/team/app/1/sbom?fromat=spdx", "there is no parameter 'fromat' at this address; there are: format"),
        ("approvals?repo=team/app", "there is no parameter 'repo' at this address; there are: repository"),
    ],
)
async def test_a_wish_that_nobody_reads_is_refused(face: Face, address: str, said: str) -> None:
    """What is ignored would answer another question than the one that was asked."""
    answer = await face.call("GET", f"/api/v1/{address}")
    assert (answer.status, answer.message[: len(said)]) == (400, said)
