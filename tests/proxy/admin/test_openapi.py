"""docs/admins/openapi.yaml says what the gate serves below /api/v1: no address, parameter or field more or less."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.app import ROUTES
from proxy.identity.principal import Role
from tests.proxy.face import Answer, Face
from tests.scanning.signatures.signing import new_key, pem

DOCUMENT: Mapping[str, Any] = yaml.safe_load(
    (Path(__file__).resolve().parents[3] / "docs/admins/openapi.yaml").read_text(encoding="utf-8")
)
METHODS = ("get", "put", "post", "delete", "patch")
OPERATIONS = [
    (method.upper(), path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method in METHODS
]


def resolved(node: Any) -> Any:
    """What a node means, itself or what it refers to."""
    if isinstance(node, dict) and "$ref" in node:
        found: Any = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return found
    return node


def references(node: Any) -> Iterator[str]:
    """Every reference below a node."""
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def parameters(path: str, operation: Mapping[str, Any], place: str) -> set[str]:
    """The names of an operation's parameters in the path, the query or the head."""
    every = map(resolved, [*DOCUMENT["paths"][path].get("parameters", ()), *operation.get("parameters", ())])
    return {one["name"] for one in every if one["in"] == place}


def fields(name: str) -> set[str]:
    """The fields of a schema."""
    return set(DOCUMENT["components"]["schemas"][name]["properties"])


@pytest.fixture
async def admin(face: Face) -> str:
    """The token of an admin of everything."""
    _, token = await face.new_token(Role.ADMIN, "**", name="alice")
    return token


def test_it_has_every_route_and_no_other() -> None:
    served = {(route.method, route.pattern) for route in ROUTES if route.pattern.startswith("/api/")}
    assert {(method, path) for method, path, _ in OPERATIONS} == served


def test_it_names_what_stands_in_each_path_and_refers_to_nothing_that_is_not_there() -> None:
    for _, path, operation in OPERATIONS:
        assert parameters(path, operation, "path") == set(re.findall(r"\{(\w+)\}", path)), path
        assert "default" in operation["responses"], path
    for reference in references(DOCUMENT):
        assert resolved({"$ref": reference})


@pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=lambda part: part if isinstance(part, str) else ""
)
async def test_each_address_takes_the_parameters_that_it_names(
    face: Face, admin: str, method: str, path: str, operation: Mapping[str, Any]
) -> None:
    target = path.replace("{repository}", "team/app").replace("{reference}", "1").replace("{id}", "0123456789abcdef")
    refused = await face.call(method, f"{target}?no_such_parameter=1", token=admin)
    assert refused.status == 400, refused
    named = refused.message.partition("there are: ")[2]
    assert set(named.split(", ") if named else ()) == parameters(path, operation, "query")


async def test_answers_have_the_fields_that_it_names(face: Face, admin: str) -> None:
    async def call(method: str, target: str, body: Any = None) -> Answer:
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        answer = await face.call(method, target, token=admin, body=data)
        assert answer.status in (200, 201), answer
        return answer

    patterns = {"repositories": ["team/**"]}
    made = await call("POST", "/api/v1/tokens", {"name": "ci", **patterns})
    assert set(made.json) == fields("Token") | {"token"}
    assert set((await call("GET", "/api/v1/tokens")).json["tokens"][0]) == fields("Token")
    excepted = {"findings": ["CVE-1"], "reason": "unused", "expires": "2030-01-01T00:00:00Z", **patterns}
    assert set((await call("POST", "/api/v1/waivers", excepted)).json) == fields("Waiver")
    assert set((await call("GET", "/api/v1/audit")).json["records"][0]) == fields("AuditRecord")
    signer = {"name": "release", "key": pem(new_key()), "repositories": ["**"]}
    assert set((await call("POST", "/api/v1/signers", signer)).json) == fields("Signer") | fields("Warnings")
    policy = await call("GET", "/api/v1/policy")
    assert set(policy.json) == fields("Policy")
    tried = await call("POST", "/api/v1/policy/check", policy.json["text"].encode())
    assert set(tried.json) == fields("PolicyTrial")


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/api/v1/tokens", {"name": "ci", "repositories": ["team/**"]}),
        (
            "/api/v1/waivers",
            {"tools": ["ssh-client"], "reason": "x", "repositories": ["a"], "expires": "2030-01-01T00:00:00Z"},
        ),
        ("/api/v1/signers", {"name": "release", "repositories": ["**"]}),
        ("/api/v1/approvals", {"packages": ["pkg:npm/a"], "source": "x", "reason": "x", "repositories": ["a"]}),
    ],
)
async def test_what_is_sent_has_no_other_fields_than_those_that_it_names(
    face: Face, admin: str, path: str, wanted: dict[str, Any]
) -> None:
    schema = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    for name in schema["properties"]:  # each is known: what is wrong with it is its value
        body = json.dumps(wanted | {name: {"wrong": True}}).encode()
        refused = await face.call("POST", path, token=admin, body=body)
        assert (refused.status, name in refused.message, "Extra" in refused.message) == (400, True, False), refused
    body = json.dumps(wanted | {"no_such_field": 1}).encode()
    assert "no_such_field" in (await face.call("POST", path, token=admin, body=body)).message
    for name in schema["required"]:
        body = json.dumps({key: value for key, value in wanted.items() if key != name}).encode()
        assert name in (await face.call("POST", path, token=admin, body=body)).message
