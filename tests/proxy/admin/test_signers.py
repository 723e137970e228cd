"""Signers over HTTP: read, added and removed by admins of every repository, in the policy file."""

import json
from typing import Any

import pytest

from config.defaults import Profile, profile_text
from config.settings import Settings
from proxy.identity.principal import Role
from scanning.signatures.keys import load_key
from storage.audit import Event
from tests.proxy.face import Answer, Face
from tests.scanning.signatures.signing import new_key, pem

KEY, OTHER = pem(new_key()), pem(new_key())
WANTED = {"name": "release", "key": KEY, "repositories": ["**"]}
PATH = "/api/v1/signers"


@pytest.fixture
async def admin(face: Face) -> str:
    """The token of an admin of everything."""
    _, token = await face.new_token(Role.ADMIN, "**", name="alice")
    return token


async def add(face: Face, token: str, headers: dict[str, str] | None = None, **more: Any) -> Answer:
    """Add a signer."""
    return await face.call("POST", PATH, token=token, headers=headers, body=json.dumps(WANTED | more).encode())


async def test_an_admin_adds_one_and_removes_it_on_the_record(face: Face, admin: str) -> None:
    assert (await face.call("GET", PATH, token=admin)).json == {"signers": []}
    added = await add(face, admin, not_after="2027-12-31T00:00:00Z")
    assert (added.status, added.json) == (
        201,
        {
            "name": "release",
            "key": KEY,
            "fingerprint": load_key(KEY).fingerprint,
            "not_after": "2027-12-31T00:00:00+00:00",
            "trusted": True,
            "repositories": ["**"],
            "warnings": [],
        },
    )
    listed = await face.call("GET", PATH, token=admin)  # at once, though the policy is read again every second only
    assert ([one | {"warnings": []} for one in listed.json["signers"]], listed.headers["ETag"]) == (
        [added.json],
        added.headers["ETag"],
    )
    assert "# Who can sign, by name." in face.services.policy.path.read_text()

    removed = await face.call("DELETE", f"{PATH}/release", token=admin)
    assert removed.status == 200, removed
    assert (await face.call("DELETE", f"{PATH}/release", token=admin)).status == 404
    assert face.services.policy.path.read_text() == profile_text(Profile.EVALUATION)
    records = [one for one in await face.audited() if one.event in (Event.SIGNER_ADDED, Event.SIGNER_REMOVED)]
    assert [(one.event, one.actor, one.digest) for one in records] == [
        ("signer-added", "alice", added.headers["ETag"][1:-1]),
        ("signer-removed", "alice", removed.headers["ETag"][1:-1]),
    ]
    assert f"signer release (key {load_key(KEY).fingerprint[:16]}…) counts for **; " in records[0].detail
    assert records[1].detail.startswith("signer release; ")


async def test_what_changes_nothing_is_no_record(face: Face, admin: str) -> None:
    await add(face, admin)
    again = await add(face, admin)
    assert again.status == 201
    assert (await add(face, admin, key="")).status == 201
    assert len([one for one in await face.audited() if one.event is Event.SIGNER_ADDED]) == 1


async def test_whoever_names_what_they_have_read_changes_nothing_else(face: Face, admin: str) -> None:
    tag = (await face.call("GET", PATH, token=admin)).headers["ETag"]
    path = face.services.policy.path
    path.write_text("# changed\n" + path.read_text())
    written = path.read_text()
    for stale in (tag, "*", 'W/"x"'):
        refused = await add(face, admin, {"If-Match": stale})
        assert (refused.status, refused.code) == (412, "DENIED"), stale
    assert path.read_text() == written
    tag = (await face.call("GET", PATH, token=admin)).headers["ETag"]
    added = await add(face, admin, {"If-Match": tag})
    assert added.status == 201
    removed = await face.call("DELETE", f"{PATH}/release", token=admin, headers={"If-Match": tag})
    assert removed.status == 412
    headers = {"If-Match": added.headers["ETag"]}
    assert (await face.call("DELETE", f"{PATH}/release", token=admin, headers=headers)).status == 200


async def test_whoever_removes_the_last_one_of_a_rule_is_told_what_waits(face: Face, admin: str) -> None:
    """A key that has leaked must go, whether or not there is another one."""
    await add(face, admin)
    await add(face, admin, name="second", key=OTHER)
    assert (await face.call("DELETE", f"{PATH}/release", token=admin)).json == {"warnings": []}
    (warning,) = (await face.call("DELETE", f"{PATH}/second", token=admin)).json["warnings"]
    assert warning.startswith("nobody's signatures count for ** any more: what needs some there waits or is refused")


async def test_whoever_changes_one_of_several_files_is_told_which(
    face: Face, admin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Settings, "may_have_replicas", property(lambda _: True))
    said = f"it is written to {face.services.policy.path} on "
    (warning,) = (await add(face, admin)).json["warnings"]
    assert warning.startswith(said)
    alone, warning = (await face.call("DELETE", f"{PATH}/release", token=admin)).json["warnings"]
    assert alone.startswith("nobody's signatures count for ** any more")
    assert warning.startswith(said)


@pytest.mark.parametrize(
    ("wrong", "status", "said"),
    [
        ({"key": "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"}, 400, "not a public key in PEM form"),
        ({"key": "", "not_after": "2027-12-31T00:00:00Z"}, 400, "send the key with it"),
        ({"key": ""}, 409, "its public key is needed"),
        ({"name": "a/b"}, 409, "cannot name a signer"),
        ({"repositories": ["team/**"]}, 409, "those that ask for signatures are for: **"),
        ({"repositories": []}, 400, "repositories"),
    ],
)
async def test_what_cannot_be_is_refused(face: Face, admin: str, wrong: dict[str, Any], status: int, said: str) -> None:
    refused = await add(face, admin, **wrong)
    assert (refused.status, said in refused.message) == (status, True), refused
    assert "SIGSTORE" not in refused.message  # a private key is repeated nowhere
    assert face.services.policy.path.read_text() == profile_text(Profile.EVALUATION)


async def test_another_key_takes_no_name_that_is_taken(face: Face, admin: str) -> None:
    await add(face, admin)
    refused = await add(face, admin, key=OTHER)
    assert (refused.status, "add the new one under a second name" in refused.message) == (409, True)
    (known,) = (await face.call("GET", PATH, token=admin)).json["signers"]
    assert known["key"] == KEY


async def test_a_broken_file_is_left_alone_and_what_is_in_force_is_shown(face: Face, admin: str) -> None:
    await add(face, admin)
    path = face.services.policy.path
    path.write_text("version: 2\n")
    refused = await add(face, admin, name="second", key=OTHER)
    assert (refused.status, "the policy file is broken, so nothing is changed in it: " in refused.message) == (
        409,
        True,
    )
    assert (await face.call("GET", PATH, token=admin)).status == 200
    path.unlink()
    gone = await add(face, admin, name="second", key=OTHER)
    assert (gone.status, "there is no policy to change" in gone.message) == (409, True)


async def test_only_admins_of_everything_read_and_change_them(face: Face, admin: str) -> None:
    """Whose signatures count is the policy's to say, for every repository."""
    await add(face, admin)
    _, limited = await face.new_token(Role.ADMIN, "team/**", name="bob")
    for token in (limited, face.token):
        assert (await face.call("GET", PATH, token=token)).status == 403
        assert (await add(face, token, name="mine")).status == 403
        assert (await face.call("DELETE", f"{PATH}/release", token=token)).status == 403
    denied = [one for one in await face.audited() if one.event is Event.ACCESS_DENIED]
    assert len(denied) == 6
