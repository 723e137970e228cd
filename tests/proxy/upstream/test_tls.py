"""Upstreams behind TLS: whose certificates are believed."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from config.settings import Settings
from config.settings import Upstream as UpstreamSettings
from proxy.upstream.port import UpstreamUnavailableError
from proxy.upstream.remote import RemoteUpstream
from proxy.upstream.remote_settings import remote_options
from tests.certificates import Authority
from tests.proxy.upstream.simulator import Simulator, simulated


@pytest.fixture
def authority() -> Authority:
    return Authority.make()


@pytest.fixture
async def simulator(authority: Authority, tmp_path: Path) -> AsyncIterator[Simulator]:
    """One with a certificate of `authority` for 127.0.0.1."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue(tmp_path, "127.0.0.1"))
    async with simulated(context) as running:
        running.on("GET", "/v2/")
        yield running


async def check(simulator: Simulator, authority: Authority | None, folder: Path, *, host: str = "127.0.0.1") -> None:
    """Ask whether it answers, trusting `authority`; with a password, which nobody but the upstream may see."""
    file = folder / "trusted.pem"
    if authority is not None:
        file.write_bytes(authority.pem)
    settings = UpstreamSettings(
        kind="remote",
        url=simulator.url.replace("127.0.0.1", host),
        token=SecretStr("secret"),
        ca_file=str(file) if authority else "",
        retries=0,
    )
    upstream = RemoteUpstream(remote_options(Settings(upstream=settings))["upstream"])
    try:
        await upstream.check()
    finally:
        await upstream.close()


async def test_an_authority_that_is_named_is_believed(
    simulator: Simulator, authority: Authority, tmp_path: Path
) -> None:
    await check(simulator, authority, tmp_path)
    assert [request.headers["authorization"] for request in simulator.seen] == ["Bearer secret"]


async def test_nobody_else_is_believed_or_shown_a_password(simulator: Simulator, tmp_path: Path) -> None:
    for other in (None, Authority.make()):
        with pytest.raises(UpstreamUnavailableError, match=r"certificate is not trusted .* into its ca_file"):
            await check(simulator, other, tmp_path)
    assert simulator.seen == []


async def test_a_certificate_is_good_for_its_own_names_only(
    simulator: Simulator, authority: Authority, tmp_path: Path
) -> None:
    with pytest.raises(UpstreamUnavailableError, match="certificate"):
        await check(simulator, authority, tmp_path, host="localhost")
    assert simulator.seen == []
