"""The configurations that the documentation shows, against what these registries answer to a request without a login.

The challenges are as the registries send them; nothing is asked of the registries themselves.
"""

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml
from yarl import URL

from config.settings import PrefixedUpstream, Settings, Upstream
from proxy.upstream.credentials import Authorizer
from proxy.upstream.login import Login
from proxy.upstream.origin import same_origin_target
from proxy.upstream.remote_settings import remote_options
from proxy.upstream.routed import Route
from scanning.oci.names import Repository
from tests.simulators import MemoryUpstream

PAGE = Path(__file__).parents[3] / "docs/operators/registries.md"
GATE = Login("gate", "secret")
PULL = "repository:team/app:pull"


def documented(registry: str) -> Upstream:
    """The upstream of the section about `registry`, with a login that needs no file."""
    found = re.search(
        rf"^## {re.escape(registry)}.*?```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert found, registry
    document = yaml.safe_load(found[1])
    [keys] = document.get("upstreams") or [document["upstream"]]
    plain: dict[str, Any] = {
        key: value for key, value in keys.items() if not key.endswith("_file") and key != "username"
    }
    return PrefixedUpstream(**plain) if "prefix" in plain else Upstream(**plain)


@pytest.mark.parametrize(
    ("registry", "challenge", "service"),
    [
        (
            "Docker Hub",
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"',
            "https://auth.docker.io/token",
        ),
        (
            "Harbor",
            'Bearer realm="https://harbor.example.com/service/token",service="harbor-registry"',
            "https://harbor.example.com/service/token",
        ),
        ("GitHub", 'Bearer realm="https://ghcr.io/token",service="ghcr.io"', "https://ghcr.io/token"),
        (
            "GitLab",
            'Bearer realm="https://gitlab.com/jwt/auth",service="container_registry",error="invalid_token"',
            "https://gitlab.com/jwt/auth",
        ),
        (
            "JFrog Artifactory",
            'Bearer realm="https://example.jfrog.io/v2/token",service="example.jfrog.io"',
            "https://example.jfrog.io/v2/token",
        ),
        (
            "Amazon ECR",
            'Basic realm="https://123456789012.dkr.ecr.eu-west-1.amazonaws.com/",service="ecr.amazonaws.com"',
            None,
        ),
        ("zot", 'Basic realm="zot"', None),
        ("docker-registry", 'Basic realm="Registry Realm"', None),
    ],
)
async def test_the_login_is_shown_to_the_token_service_that_the_registry_names(
    registry: str, challenge: str, service: str | None
) -> None:
    asked: list[tuple[URL, dict[str, str]]] = []

    async def fetch(url: URL, headers: dict[str, str]) -> dict[str, Any]:
        asked.append((url, headers))
        return {"token": "t"}

    options = remote_options(Settings(upstream=documented(registry)))["upstream"]
    authorizer = Authorizer(options.origin, GATE, options.token_origins, fetch)
    assert await authorizer.learn([challenge], PULL, None)
    header = await authorizer.header(PULL)
    if service is None:
        assert (header, asked) == (GATE.basic, [])
        return
    [(url, headers)] = asked
    assert header == "Bearer t"
    assert str(url.with_query(None)) == service
    assert parse_qs(url.raw_query_string)["scope"] == [PULL]
    assert headers == {"Authorization": GATE.basic}


@pytest.mark.parametrize(
    ("registry", "here", "there"),
    [
        ("Docker Hub", "hub/library/nginx", "library/nginx"),
        ("Harbor", "team/app", "team/app"),
        ("GitHub", "app", "example-organisation/app"),
        ("GitLab", "team/app", "example-group/team/app"),
        ("JFrog Artifactory", "team/app", "docker-local/team/app"),
    ],
)
def test_a_repository_is_found_under_its_name_there(registry: str, here: str, there: str) -> None:
    upstream = documented(registry)
    prefix = upstream.prefix if isinstance(upstream, PrefixedUpstream) else ""
    route = Route(MemoryUpstream(), prefix, upstream.namespace)
    assert route.outward(Repository(here)) == Repository(there)
    assert route.inward(Repository(there)) == Repository(here)


@pytest.mark.parametrize(
    ("registry", "location"),
    [
        ("Docker Hub", "https://registry-1.docker.io/v2/team/app/blobs/uploads/0b7a?_state=x%3D%3D"),
        ("Harbor", "https://harbor.example.com/v2/team/app/blobs/uploads/0b7a?_state=x%3D%3D"),
        ("Amazon ECR", "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com/v2/team/app/blobs/uploads/0b7a"),
        ("GitHub", "/v2/example-organisation/app/blobs/upload/0b7a"),
        ("zot", "/v2/team/app/blobs/uploads/0b7a"),
    ],
)
def test_an_upload_goes_on_where_the_registry_says(registry: str, location: str) -> None:
    origin = remote_options(Settings(upstream=documented(registry)))["upstream"].origin
    target = same_origin_target(origin, "/v2/team/app/blobs/uploads/", location)
    assert str(origin.url(target)).endswith(location)
