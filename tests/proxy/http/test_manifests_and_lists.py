"""Manifests, tags, the catalogue and referrers over HTTP."""

import io
from collections.abc import AsyncIterator

import pytest

from proxy.identity.principal import Role
from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor
from scanning.oci.media_types import OCI_INDEX, OCI_MANIFEST
from scanning.oci.names import Tag
from scanning.oci.read import MAX_MANIFEST_BYTES
from tests.proxy.conftest import StartFace
from tests.proxy.face import Answer, Face

APP = "/v2/team/app"
BODY = b'{"schemaVersion":2}'
DIGEST = Digest.of(BODY)


async def put(face: Face, reference: str = "1", body: object = BODY, name: str = "team/app") -> Answer:
    """Push a manifest."""
    return await face.call(
        "PUT", f"/v2/{name}/manifests/{reference}", headers={"Content-Type": OCI_MANIFEST}, body=body
    )


async def test_a_manifest_comes_back_as_it_was_pushed(face: Face) -> None:
    pushed = await put(face)
    assert (pushed.status, pushed.headers["Location"]) == (201, f"{APP}/manifests/{DIGEST}")
    assert pushed.headers["Docker-Content-Digest"] == str(DIGEST)
    assert "OCI-Subject" not in pushed.headers
    for reference in ("1", str(DIGEST)):
        got = await face.call("GET", f"{APP}/manifests/{reference}")
        assert (got.status, got.body, got.headers["Content-Type"]) == (200, BODY, OCI_MANIFEST)
        assert got.headers["Docker-Content-Digest"] == str(DIGEST)
        head = await face.call("HEAD", f"{APP}/manifests/{reference}")
        assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(BODY)))


async def test_the_subject_and_warnings_reach_the_pusher(face: Face) -> None:
    subject = Digest.of(b"subject")
    face.gate.subjects[DIGEST] = subject
    face.gate.warnings = ('held: "no signature"\r\nX: y …', "w" * 10_000)
    pushed = await face.call("PUT", f"{APP}/manifests/1", headers={"Content-Type": OCI_MANIFEST}, body=BODY)
    assert pushed.headers["OCI-Subject"] == str(subject)
    warnings = pushed.headers.getall("Warning")  # type: ignore[attr-defined]  # aiohttp's headers are a multidict
    assert warnings[0] == r'299 - "held: \"no signature\"??X: y ..."'
    assert all(len(warning) <= 4096 for warning in warnings)


async def test_what_the_gate_denies_is_403_with_its_reason(face: Face) -> None:
    face.gate.denied.add(DIGEST)
    answer = await put(face)
    assert (answer.status, answer.code, answer.message) == (403, "DENIED", "refused by the simulated gate")
    assert answer.json["errors"][0]["detail"] == {"verdict": "v1"}
    assert answer.headers["Content-Type"].startswith("application/json")


async def test_an_error_without_a_detail_has_none(face: Face) -> None:
    answer = await face.call("GET", f"{APP}/manifests/none")
    assert (answer.status, answer.json["errors"][0].keys()) == (404, {"code", "message"})


async def test_t19_a_tag_that_must_stay_is_409_under_a_code_that_clients_know(face: Face) -> None:
    face.gate.fixed.add(Tag("1"))
    answer = await put(face)
    assert (answer.status, answer.code, answer.message) == (409, "DENIED", "team/app:1 cannot be moved")


async def test_a_manifest_without_a_type_is_refused(face: Face) -> None:
    answer = await face.call("PUT", f"{APP}/manifests/1", headers={"Content-Type": ""}, body=BODY)
    assert answer.status == 400


async def test_t33_a_manifest_over_four_mebibytes_is_413(face: Face) -> None:
    async def in_pieces() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b" " * (1 << 20)

    for body in (io.BytesIO(b" " * (MAX_MANIFEST_BYTES + 1)), in_pieces()):
        answer = await put(face, body=body)
        assert (answer.status, answer.code) == (413, "SIZE_INVALID")
    assert face.upstream.manifests == {}
    assert (await put(face, body=io.BytesIO(b" " * MAX_MANIFEST_BYTES))).status == 201


@pytest.mark.parametrize("reference", ["-x", "a" * 129, "a:b"])
async def test_a_reference_that_is_none_is_refused(face: Face, reference: str) -> None:
    assert (await put(face, reference)).code in ("NAME_INVALID", "DIGEST_INVALID")


async def test_an_unknown_manifest_is_404(face: Face) -> None:
    answer = await face.call("GET", f"{APP}/manifests/none")
    assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")


async def test_tags_are_paged_by_link(face: Face) -> None:
    for tag in ("c", "a", "b"):
        await put(face, tag)
    assert (await face.call("GET", f"{APP}/tags/list")).json == {"name": "team/app", "tags": ["a", "b", "c"]}
    first = await face.call("GET", f"{APP}/tags/list?n=2")
    assert first.json["tags"] == ["a", "b"]
    assert first.headers["Link"] == f'<{APP}/tags/list?n=2&last=b>; rel="next"'
    second = await face.call("GET", f"{APP}/tags/list?n=2&last=b")
    assert second.json["tags"] == ["c"]
    assert "Link" not in second.headers
    none = await face.call("GET", f"{APP}/tags/list?n=0")
    assert (none.json["tags"], "Link" in none.headers) == ([], False)


async def test_tags_of_an_unknown_repository_are_404(face: Face) -> None:
    assert (await face.call("GET", "/v2/team/none/tags/list")).code == "NAME_UNKNOWN"


@pytest.mark.parametrize("number", ["1000000000000", "100001", "-1", "x", "1.5", "", "²", "1" * 5000])
async def test_t71_a_page_is_never_huge_and_always_a_number(face: Face, number: str) -> None:
    _, admin = await face.new_token(Role.ADMIN, "**")
    await put(face)
    for target in ("/v2/_catalog", f"{APP}/tags/list"):
        assert (await face.call("GET", f"{target}?n={number}", token=admin)).status == 400


async def test_the_catalogue_is_paged_even_when_nobody_asks(start_face: StartFace) -> None:
    async with start_face(registry={"catalog_page": 2}) as face:
        _, face.token = await face.new_token(Role.ADMIN, "**")
        for name in ("a", "b", "c"):
            await put(face, name=name)
        first = await face.call("GET", "/v2/_catalog")
        second = await face.call("GET", "/v2/_catalog?n=2&last=b")
    assert (first.json, first.headers["Link"]) == (
        {"repositories": ["a", "b"]},
        '</v2/_catalog?n=2&last=b>; rel="next"',
    )
    assert second.json == {"repositories": ["c"]}


async def test_pages_after_the_first_go_on_with_a_list(face: Face) -> None:
    _, face.token = await face.new_token(Role.ADMIN, "**")
    await put(face)
    for query in ("", "?n=1", "?last=", "?n=1&last=a"):
        for target in ("/v2/_catalog", f"{APP}/tags/list"):
            assert (await face.call("GET", f"{target}{query}")).status == 200
    assert face.gate.continued == [False] * 6 + [True] * 2


async def test_referrers_are_always_an_index(face: Face) -> None:
    answer = await face.call("GET", f"{APP}/referrers/{DIGEST}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, OCI_INDEX)
    assert (
        answer.body == b'{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}'
    )


async def test_referrers_are_filtered_by_type_and_say_so(face: Face) -> None:
    one, other = Digest.of(b"1"), Digest.of(b"2")
    face.gate.referring = (
        Descriptor(OCI_MANIFEST, one, 1, {"by": "me"}, artifact_type="application/x.sbom"),
        Descriptor(OCI_MANIFEST, other, 2, artifact_type="application/x.other"),
    )
    everything = await face.call("GET", f"{APP}/referrers/{DIGEST}")
    assert [item["digest"] for item in everything.json["manifests"]] == [str(one), str(other)]
    assert "OCI-Filters-Applied" not in everything.headers
    filtered = await face.call("GET", f"{APP}/referrers/{DIGEST}?artifactType=application/x.sbom")
    assert filtered.headers["OCI-Filters-Applied"] == "artifactType"
    assert filtered.json["manifests"] == [
        {
            "mediaType": OCI_MANIFEST,
            "digest": str(one),
            "size": 1,
            "artifactType": "application/x.sbom",
            "annotations": {"by": "me"},
        }
    ]


async def test_referrers_are_paged_by_link_which_keeps_the_filter(face: Face) -> None:
    kind = "application/x.sbom+json"
    digests = sorted(str(Digest.of(text)) for text in (b"1", b"2", b"3"))
    face.gate.referring = (
        *(Descriptor(OCI_MANIFEST, Digest.parse(digest), 1, artifact_type=kind) for digest in digests),
        Descriptor(OCI_MANIFEST, Digest.of(b"another"), 1, artifact_type="application/x.other"),
    )
    target = f"{APP}/referrers/{DIGEST}?artifactType=application/x.sbom%2Bjson&n=2"
    seen = []
    while target:
        answer = await face.call("GET", target)
        assert answer.headers["OCI-Filters-Applied"] == "artifactType"
        seen.append([item["digest"] for item in answer.json["manifests"]])
        link = answer.headers.get("Link", "")
        assert link == "" or link.endswith('; rel="next"')
        target = link.removeprefix("<").partition(">")[0]
    assert seen == [digests[:2], digests[2:]]


async def test_referrers_of_what_is_no_digest_are_refused(face: Face) -> None:
    answer = await face.call("GET", f"{APP}/referrers/sha256:0")
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


async def test_deleting_a_manifest_where_it_is_switched_on(start_face: StartFace) -> None:
    async with start_face(registry={"delete_enabled": True}) as face:
        _, face.token = await face.new_token(Role.ADMIN, "**")
        await put(face)
        statuses = [(await face.call("DELETE", f"{APP}/manifests/1")).status for _ in range(2)]
    assert statuses == [202, 404]
