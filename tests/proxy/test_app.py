"""The route table: what each address asks of its caller, and that patterns never overlap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.app import ROUTES
from proxy.errors import MethodNotAllowedError, NotFoundError
from proxy.routing import Access, Route, Router
from scanning.oci.names import REPOSITORY_GRAMMAR

ROUTER = Router.of(ROUTES)
OPEN = {"/auth/token", "/healthz", "/readyz", "/metrics"}
FOR_BROWSERS = {"/", "/console", "/console/style.css", "/console/icon.svg", "/console/sign-in"}
NAMES = st.from_regex(REPOSITORY_GRAMMAR, fullmatch=True).filter(lambda name: len(name) < 256)


def test_only_these_addresses_are_open_to_all() -> None:
    assert {route.pattern for route in ROUTES if route.access is Access.NONE} == OPEN | FOR_BROWSERS


@pytest.mark.parametrize("route", [route for route in ROUTES if "{repository}" in route.pattern])
def test_what_changes_a_repository_needs_more_than_pull(route: Route) -> None:
    method, access = route.method, route.access
    expected = {"GET": {Access.PULL, Access.PUSH}, "DELETE": {Access.DELETE, Access.PUSH}}
    assert access in expected.get(method, {Access.PUSH})


@given(NAMES)
def test_every_name_reaches_the_routes_meant_for_it(name: str) -> None:
    tails = {
        "manifests/1": "/v2/{repository}/manifests/{reference}",
        "blobs/sha256:0": "/v2/{repository}/blobs/{digest}",
        "blobs/uploads/x": "/v2/{repository}/blobs/uploads/{upload}",
        "tags/list": "/v2/{repository}/tags/list",
        "referrers/x": "/v2/{repository}/referrers/{digest}",
    }
    for tail, pattern in tails.items():
        match = ROUTER.match("GET", f"/v2/{name}/{tail}")
        assert (match.route.pattern, match.parameters["repository"]) == (pattern, name)
    assert ROUTER.match("POST", f"/v2/{name}/blobs/uploads/").parameters == {"repository": name}


@given(st.text(alphabet="/v2abcmnifest.blou:-", max_size=60))
def test_any_path_has_at_most_one_pattern(path: str) -> None:
    assert sum(_matches(pattern, path) for pattern in {route.pattern for route in ROUTES}) <= 1


def _matches(pattern: str, path: str) -> bool:
    alone = Router.of([route for route in ROUTES if route.pattern == pattern])
    try:
        alone.match("ANY", path)
    except MethodNotAllowedError:
        return True
    except NotFoundError:
        return False
    return True
