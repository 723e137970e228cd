"""Reading verdicts over HTTP."""

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
