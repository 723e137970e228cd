"""Tokens, exceptions, the policy and the audit of a gate that is elsewhere, with an admin's token."""

import asyncio
import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from config.settings import Settings
from proxy.cli import build_app
from proxy.identity.principal import Role
from proxy.identity.tokens import OpaqueToken
from scanning.oci.digest import Digest
from storage.audit import Event
from tests.proxy.cli.conftest import CLEAN, push
from tests.proxy.console.gates import Gate
from tests.proxy.face import Face
from tests.proxy.whole_gate import whole_gate
from tests.scanning.signatures.signing import new_key, pem


class Afar:
    """Somebody at a terminal elsewhere."""

    def __init__(self, gate: str, token: str) -> None:
        self._environment = {"IMAGEGATE_GATE": gate, "IMAGEGATE_TOKEN": token}

    async def run(self, *arguments: str) -> str:
        """What a command that succeeds prints."""
        said = await self.ask(*arguments)
        assert said.exit_code == 0, said.output
        return said.stdout

    async def ask(self, *arguments: str) -> Result:
        """What a command says, while the gate answers it."""
        with capture_logs():  # the gate's log goes to the same standard output
            return await asyncio.to_thread(CliRunner().invoke, build_app(), arguments, env=self._environment)


@pytest.fixture
async def alice(face: Face) -> Afar:
    """An admin of everything."""
    _, token = await face.new_token(Role.ADMIN, "**", name="alice")
    return Afar(face.url, token)


@pytest.fixture
async def bob(face: Face) -> Afar:
    """An admin of the repositories of a team."""
    _, token = await face.new_token(Role.ADMIN, "team/**", name="bob")
    return Afar(face.url, token)


async def test_an_admin_makes_lists_and_revokes_tokens(face: Face, alice: Afar) -> None:
    made = await alice.ask("token", "create", "new", "--role", "developer", "--repository", "a/**", "--expires", "90d")
    token = OpaqueToken.parse(made.stdout.strip())
    assert (made.exit_code, token is not None) == (0, True), made
    assert token is not None
    assert made.stderr.startswith("developer on a/**, until 2026-04-01 00:00 UTC; ")  # by the clock of the gate
    assert made.stderr.endswith(f"imagegate token revoke {token.id} --gate {face.url}\n")
    assert (await face.call("GET", "/v2/", token=token.text)).status == 200

    header, *lines = (await alice.run("token", "list")).splitlines()
    assert header.split()[:2] == ["id", "name"]
    assert [token.id, "new", "developer", "a/**"] in [line.split()[:4] for line in lines]
    assert await alice.run("token", "revoke", token.id) == (
        f"Token {token.id} is revoked at {face.url}; it is refused everywhere within 5 seconds.\n"
    )
    read = [json.loads(line) for line in (await alice.run("token", "list", "--json")).splitlines()]
    assert [one["state"] for one in read if one["id"] == token.id] == ["revoked"]
    again = await alice.ask("token", "revoke", token.id)
    assert again.exit_code == 2
    assert again.stderr == f"{face.url} answered 404: token {token.id} (new) was revoked before\n"
    assert {one.actor for one in await face.audited() if one.event is Event.TOKEN_REVOKED} == {"alice"}


async def test_a_list_of_many_tokens_is_whole(face: Face, alice: Afar) -> None:
    for number in range(130):
        await face.new_token(Role.OPERATOR, "**", name=f"cluster-{number}")
    listed = await alice.run("token", "list", "--json")
    assert {f"cluster-{number}" for number in range(130)} <= {json.loads(line)["name"] for line in listed.splitlines()}


async def test_an_admin_makes_lists_and_ends_exceptions(face: Face, alice: Afar) -> None:
    wanted = ("--repository", "team/**", "--tool", "ssh-client", "--reason", "until it moves", "--expires", "30d")
    made = await alice.run("waiver", "create", *wanted)
    *_, waiver_id, option, url = made.split()
    assert (option, url) == ("--gate", face.url)
    _, line = (await alice.run("waiver", "list")).splitlines()
    assert line.split()[:4] == [waiver_id, "ssh-client", "team/**", "alice"]
    assert f"Exception {waiver_id} has ended at {face.url}; " in await alice.run("waiver", "end", waiver_id)
    (ended,) = (await alice.run("waiver", "list", "--json")).splitlines()
    assert (json.loads(ended)["in_force"], json.loads(ended)["ended_by"]) == (False, "alice")


async def test_an_admin_reads_the_audit(face: Face, alice: Afar, bob: Afar) -> None:
    newest = json.loads(await alice.run("audit", "list", "--json", "--limit", "1"))
    assert newest["detail"].endswith("(bob): admin on team/**")
    header, *lines = (await alice.run("audit", "list", "--event", "token-created", "--limit", "2")).splitlines()
    assert header.split() == ["at", "(UTC)", "event", "who", "from", "what", "outcome", "verdict"]
    assert [line.split()[2:5] for line in lines] == [["token-created", "tester", "127.0.0.1"]] * 2
    assert await bob.run("audit", "list", "--repository", "team/app") == "No records yet.\n"
    refused = await bob.ask("audit", "list")
    assert (refused.exit_code, "does not cover **; name repositories that it covers" in refused.stderr) == (2, True)


async def test_an_admin_reads_tries_and_writes_the_policy(
    face: Face, alice: Afar, bob: Afar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = face.services.policy.path
    written = path.read_text()
    assert await alice.run("policy", "show", "--as-written") == written
    rule = await alice.run("policy", "show", "--repository", "team/app")
    assert rule.startswith(f"# team/app is judged by **, in the policy of {face.url}\n")
    mine, wrong = tmp_path / "mine.yaml", tmp_path / "wrong.yaml"
    mine.write_text("# mine\n" + written)
    wrong.write_text("version: 2\n")

    assert await alice.run("policy", "try", str(mine)) == "Nothing would change for 0 images.\n"
    refused = await alice.ask("policy", "set", str(wrong))
    assert (refused.exit_code, refused.stderr.startswith(f"{wrong}:")) == (2, True)  # the line is that of the file
    limited = await bob.ask("policy", "set", str(mine))
    assert (limited.exit_code, "answered 403: " in limited.stderr) == (2, True)
    assert path.read_text() == written

    with monkeypatch.context() as patch:
        patch.setattr(Settings, "may_have_replicas", property(lambda _: True))
        told = await alice.ask("policy", "set", str(mine))
    assert (told.exit_code, f"It is written to {path} on " in told.stderr.replace("\n", " ")) == (0, True)
    assert path.read_text() == "# mine\n" + written
    assert [one.actor for one in await face.audited() if one.event is Event.POLICY_WRITTEN] == ["alice"]


async def test_a_change_of_the_policy_is_written_over_what_was_changed_and_nothing_else(
    face: Face, alice: Afar, tmp_path: Path
) -> None:
    path, mine = face.services.policy.path, tmp_path / "mine.yaml"
    shown = await alice.ask("policy", "show", "--as-written")
    digest = Digest.of(path.read_bytes())
    put_back = f"imagegate policy set FILE --over {digest} --gate {face.url}"
    assert shown.stderr == f"To write over this text and no other: {put_back}\n"
    mine.write_text("# mine\n" + shown.stdout)
    theirs = "# theirs\n" + shown.stdout
    path.write_text(theirs)

    late = await alice.ask("policy", "set", str(mine), "--over", str(digest))
    assert (late.exit_code, "the policy has changed since you read it" in late.stderr) == (2, True)
    wrong = await alice.ask("policy", "set", str(mine), "--over", "latest")
    assert (wrong.exit_code, "--over" in wrong.stderr) == (2, True)
    assert path.read_text() == theirs
    await alice.run("policy", "set", str(mine), "--over", str(Digest.of(theirs.encode())))
    assert path.read_text() == mine.read_text()


async def test_a_broken_policy_is_read_and_mended(face: Face, alice: Afar, tmp_path: Path) -> None:
    path, mine = face.services.policy.path, tmp_path / "mine.yaml"
    mine.write_bytes(path.read_bytes())
    path.write_text("version: 2\n")
    shown = await alice.ask("policy", "show", "--as-written")
    assert shown.stdout == "version: 2\n"
    await alice.run("policy", "set", str(mine), "--over", str(Digest.of(b"version: 2\n")))
    assert path.read_bytes() == mine.read_bytes()


async def test_a_gate_of_this_machine_that_is_typed_comes_before_one_in_the_environment(
    face: Face, alice: Afar, tmp_path: Path
) -> None:
    here, away = tmp_path / "here", face.services.policy.path
    written = away.read_text()
    assert (await alice.ask("--state-dir", str(here), "policy", "init")).exit_code == 0
    mine = tmp_path / "mine.yaml"
    mine.write_text("# mine\n" + written)

    done = await alice.run("--state-dir", str(here), "policy", "set", str(mine))
    assert done.startswith(f"{here / 'policy.yaml'} has the text of {mine} now")
    assert (here / "policy.yaml").read_text() == mine.read_text()
    both = await alice.ask("--state-dir", str(here), "policy", "set", str(mine), "--gate", face.url)
    assert (both.exit_code, both.stderr) == (
        2,
        f"--gate names the gate at {face.url}, --state-dir one on this machine; leave one of them out\n",
    )
    assert away.read_text() == written


async def test_an_admin_says_whose_signatures_count(face: Face, alice: Afar, bob: Afar, tmp_path: Path) -> None:
    path, key = face.services.policy.path, tmp_path / "cosign.pub"
    written = path.read_text()
    key.write_text(pem(new_key()))
    added = await alice.run("signer", "add", "release", "--key", str(key), "--repository", "**", "--expires", "365d")
    assert added.startswith("Signatures by release count for **; take that back: ")
    assert added.endswith(f"signer remove release --gate {face.url}\n")
    assert "of: [release]" in path.read_text()
    _, line = (await alice.run("signer", "list")).splitlines()
    assert line.split()[:3] == ["release", "**", "until"]
    listed = json.loads(await alice.run("signer", "list", "--json"))
    assert (listed["key"], listed["trusted"]) == (key.read_text(), True)

    for command in (("list",), ("remove", "release")):
        limited = await bob.ask("signer", *command)
        assert (limited.exit_code, "answered 403: " in limited.stderr) == (2, True)
    assert (await alice.run("signer", "remove", "release")).startswith(
        f"Signatures by release count no more at {face.url}; "
    )
    assert path.read_text() == written
    assert (await alice.run("signer", "list")).startswith("No signers yet: imagegate signer add NAME ")


async def test_a_signer_is_removed_by_the_name_that_it_was_given(
    face: Face, alice: Afar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "cosign.pub"
    key.write_text(pem(new_key()))
    await alice.run("signer", "add", "release@team", "--key", str(key), "--repository", "**")
    monkeypatch.setattr(Settings, "may_have_replicas", property(lambda _: True))
    removed = await alice.ask("signer", "remove", "release@team")
    assert (removed.exit_code, removed.stdout.startswith("Signatures by release@team count no more")) == (0, True)
    alone, elsewhere = removed.stderr.splitlines()
    assert alone.startswith("Nobody's signatures count for ** any more: ")
    assert elsewhere.startswith(f"It is written to {face.services.policy.path} on ")

    unsendable = await alice.ask("signer", "remove", "the team")
    assert (unsendable.exit_code, "cannot stand in an address" in unsendable.stderr) == (2, True)
    assert "imagegate policy set" in unsendable.stderr


async def test_an_admin_lists_and_revokes_approvals(face: Face, alice: Afar, bob: Afar) -> None:
    for kind in ("base", "package"):
        assert (await alice.run(kind, "list")).startswith("No approved ")
    sent = {"packages": ["pkg:npm/a@1"], "source": "ticket 7", "repositories": ["**"], "reason": "looked at"}
    _, token = await face.new_token(Role.ADMIN, "**", name="carol")
    made = await face.call("POST", "/api/v1/approvals", token=token, body=json.dumps(sent).encode())
    (approval,) = made.json["approvals"]
    assert json.loads(await alice.run("package", "list", "--json")) == approval
    assert (await alice.run("base", "list")).startswith("No approved ")
    limited = await bob.ask("package", "revoke", approval["id"])
    assert (limited.exit_code, "does not cover **" in limited.stderr) == (2, True)
    revoked = await alice.run("package", "revoke", approval["id"])
    assert revoked == f"The packages of ticket 7 are not approved any more at {face.url} ({approval['id']}).\n"
    _, line = (await alice.run("package", "list")).splitlines()
    assert " revoked " in line


async def test_images_are_listed_for_whoever_may_pull_them(face: Face, alice: Afar) -> None:
    developer = Afar(face.url, face.token)
    assert await developer.run("image", "list") == "No image was admitted under a tag yet.\n"
    assert await alice.run("image", "list", "--behind") == "Nobody is behind.\n"
    refused = await developer.ask("image", "list", "--behind")
    assert (refused.exit_code, "answered 403: " in refused.stderr) == (2, True)


async def test_an_image_behind_a_gate_is_listed_and_approved_as_a_base(tmp_path: Path) -> None:
    async with whole_gate(tmp_path) as (url, services, session):
        await push(services, CLEAN, "team/app:1")
        alice = Afar(url, await Gate(url, session, services).token(Role.ADMIN, "**", "alice"))
        header, line = (await alice.run("image", "list", "--repository", "team/app")).splitlines()
        assert header.split()[:4] == ["image", "digest", "admitted", "(UTC)"]
        assert line.split()[:2] == ["team/app:1", CLEAN.digest.abbreviated]
        assert json.loads(await alice.run("image", "list", "--json"))["digest"] == str(CLEAN.digest)

        host = url.removeprefix("http://")
        approved = await alice.run("base", "approve", f"{host}/team/app:1", "--reason", "looked at")
        assert approved.startswith("team/app:1 is an approved base; revoke: ")
        listed = json.loads(await alice.run("base", "list", "--json"))
        assert (listed["owner"], listed["repositories"]) == ("alice", ["**"])
        assert approved.endswith(f" base revoke {listed['id']} --gate {url}\n")
        revoked = await alice.run("base", "revoke", listed["id"])
        assert revoked == f"team/app:1 is no approved base any more at {url} ({listed['id']}).\n"


async def test_what_only_admins_may_is_refused_in_a_sentence(face: Face) -> None:
    developer = Afar(face.url, face.token)
    for command in (("token", "list"), ("policy", "show"), ("waiver", "list"), ("signer", "list")):
        said = await developer.ask(*command)
        assert (said.exit_code, said.stdout) == (2, "")
        assert said.stderr == f"{face.url} answered 403: only an admin does that, logged in with the token itself\n"
