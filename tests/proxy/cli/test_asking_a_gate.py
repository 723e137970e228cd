"""`imagegate verdict show --gate`: for people who are not on the gate's machine."""

import asyncio
import json
import os
import ssl
import sys
from asyncio.subprocess import PIPE
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from config.vocabulary import Mode
from proxy.cli.gate_client import GateClient, GateUnreachableError, gate_client
from scanning.oci.digest import Digest
from scanning.oci.manifest import ManifestKind
from scanning.oci.media_types import OCI_MANIFEST
from scanning.verdict import Outcome, Verdict, VerdictInputs
from storage import verdicts
from tests.certificates import Authority
from tests.proxy.face import START, Face

MANIFEST = Digest.of(b"manifest")
VERDICT = Verdict(
    id="v1",
    repository="team/app",
    digest=MANIFEST,
    kind=ManifestKind.IMAGE,
    outcome=Outcome.ADMIT,
    mode=Mode.ENFORCE,
    violations=(),
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


async def imagegate(environment: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    """Run `imagegate`: its exit status, output and errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", "from proxy.cli import main; main()", *arguments),
        env={name: value for name, value in os.environ.items() if not name.startswith("IMAGEGATE_")} | environment,
        stdout=PIPE,
        stderr=PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def show(environment: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    """Run `imagegate verdict show` as a user does: its exit status, output and errors."""
    return await imagegate(environment, "verdict", "show", *arguments)


async def test_a_gate_named_in_the_environment_is_asked_and_its_report_is_shown(face: Face) -> None:
    status, output, errors = await show({"IMAGEGATE_GATE": face.url, "IMAGEGATE_TOKEN": face.token}, "v1")
    assert (status, errors) == (0, "")
    assert output.startswith("ADMITTED\n")
    assert f"team/app@{MANIFEST}" in output


async def test_it_gives_the_document_as_json(face: Face) -> None:
    status, output, _ = await show({}, "v1", "--json", "--gate", face.url, "--token", face.token)
    assert status == 0
    assert json.loads(output)["digest"] == str(MANIFEST)


async def test_what_the_gate_refuses_is_said_in_its_words(face: Face) -> None:
    status, _, errors = await show({}, "v2", "--gate", face.url, "--token", face.token)
    assert status == 2
    assert errors == f"{face.url} answered 404: there is no such verdict, or its repository is not yours to see\n"


async def test_whoever_reads_no_refusals_lists_them_from_afar(face: Face) -> None:
    """A client that leaves the sentence out leaves a person with nothing but the repository's name."""
    refused = replace(VERDICT, id="v2", outcome=Outcome.REJECT)
    async with face.services.database.transaction() as tx:
        await verdicts.append(tx, refused)
    asked = {"IMAGEGATE_GATE": face.url, "IMAGEGATE_TOKEN": face.token}
    wanted = ("verdict", "list", "--repository", "team/app", "--outcome", "reject")

    status, output, errors = await imagegate(asked, *wanted)
    assert (status, errors) == (0, "")
    _, line = output.splitlines()
    assert line.split() == ["v2", *f"{START:%Y-%m-%d %H:%M:%S} reject".split(), f"team/app@sha256:{MANIFEST.short}…"]

    status, output, _ = await imagegate(asked, *wanted, "--json")
    assert (status, json.loads(output)["id"]) == (0, "v2")

    status, _, errors = await imagegate(asked, "verdict", "list")
    assert (status, "name the repository" in errors) == (2, True)


async def test_a_list_from_afar_is_as_long_as_asked_for(face: Face) -> None:
    async with face.services.database.transaction() as tx:
        for number in range(2, 130):
            await verdicts.append(tx, replace(VERDICT, id=f"v{number}"))
    client = GateClient(face.url, face.token)
    for limit, wanted in ((120, range(129, 9, -1)), (1000, range(129, 0, -1))):
        found = await client.listed("/api/v1/verdicts", "verdicts", {"repository": "team/app"}, limit)
        assert [verdict["id"] for verdict in found] == [f"v{number}" for number in wanted]


@pytest.mark.parametrize(
    ("url", "token", "said"),
    [("ftp://gate.example", "igt_x", "is not an address"), ("https://gate.example", "password", "needs a token")],
)
def test_a_gate_is_named_by_address_and_token(url: str, token: str, said: str) -> None:
    with pytest.raises(GateUnreachableError, match=said):
        gate_client(url, token)


async def test_a_page_is_told_from_a_gate_and_a_redirection_is_not_followed(face: Face) -> None:
    """The token is for the gate that was named, and for no other address."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        if request.path.startswith("/moved"):
            raise web.HTTPPermanentRedirect(face.url)
        if request.path.startswith("/page"):
            return web.Response(text="<html>Welcome</html>", content_type="text/html")
        if request.path.startswith("/other"):
            return web.json_response({"items": []})
        link = {"Link": f'<{face.url}/api/v1/tokens?last=1>; rel="next"'} if len(asked) == 1 else {}
        return web.json_response({"tokens": [{"id": str(len(asked))}]}, headers=link)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        found = await GateClient(url, face.token).listed("/api/v1/tokens", "tokens", {})
        assert [one["id"] for one in found] == ["1", "2"]  # the next page is asked for where the first was
        for path, said in (
            ("/moved", f"answered 308: it leads to {face.url}; name that gate with --gate"),
            ("/page", "is no gate, or one of another version: its answer says nothing of tokens"),
            ("/other", "is no gate, or one of another version: its answer says nothing of tokens"),
        ):
            with pytest.raises(GateUnreachableError) as refused:
                await GateClient(f"{url}{path}", face.token).listed("/api/v1/tokens", "tokens", {})
            assert str(refused.value) == f"{url}{path} {said}"


async def test_a_gate_whose_certificate_nobody_here_trusts_is_not_sent_the_token(face: Face, tmp_path: Path) -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers["Authorization"])
        return web.json_response({"tokens": []})

    authority = Authority.make()
    (tmp_path / "authority.pem").write_bytes(authority.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue(tmp_path, "127.0.0.1"))
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    try:
        arguments = ("token", "list", "--gate", str(server.make_url("")), "--token", face.token)
        status, _, errors = await imagegate({}, *arguments)
        assert (status, asked) == (2, [])
        assert "is not trusted here, so it was not sent the token: " in errors
        assert "name that one's in SSL_CERT_FILE" in errors
        status, output, errors = await imagegate({"SSL_CERT_FILE": str(tmp_path / "authority.pem")}, *arguments)
        assert (status, output, errors) == (0, "No tokens yet: imagegate token create NAME\n", "")
        assert len(asked) == 1
    finally:
        await server.close()


async def test_a_gate_without_tls_is_told_from_one_that_nobody_trusts(face: Face) -> None:
    with pytest.raises(GateUnreachableError, match="if it has none, its address begins with http://"):
        await GateClient(f"https{face.url[4:]}", face.token).get("/api/v1/tokens")
