"""The policy over HTTP: read, tried and replaced by admins, never over somebody else's change."""

import socket
from pathlib import Path

import pytest

from config.defaults import Profile, profile_text
from config.settings import Settings
from proxy.identity.principal import Role
from scanning.oci.digest import Digest
from storage.audit import Event
from tests.proxy.face import Answer, Face

NEW = "# mine\nversion: 1\nname: mine\nrules:\n  - repositories: ['**']\n"
WRONG = "version: 1\nrules:\n  - repositories: [A]\n    mode: off\n"


@pytest.fixture
async def admin(face: Face) -> str:
    """The token of an admin of everything."""
    _, token = await face.new_token(Role.ADMIN, "**", name="alice")
    return token


async def put(face: Face, token: str, text: str, tag: str | None) -> Answer:
    """Replace the policy."""
    headers = {"Content-Type": "text/yaml"} | ({"If-Match": tag} if tag is not None else {})
    return await face.call("PUT", "/api/v1/policy", token=token, headers=headers, body=text.encode())


async def test_an_admin_reads_the_policy_as_it_is_written(face: Face, admin: str) -> None:
    answer = await face.call("GET", "/api/v1/policy", token=admin)
    assert answer.json["text"] == profile_text(Profile.EVALUATION)
    assert answer.json["digest"] == str(face.services.policy.current.digest)
    assert (answer.json["name"], answer.json["problem"]) == ("evaluation", None)
    assert answer.headers["ETag"].startswith('"sha256:')


async def test_an_admin_replaces_it_on_the_record(face: Face, admin: str) -> None:
    path = face.services.policy.path
    path.chmod(0o640)
    tag = (await face.call("GET", "/api/v1/policy", token=admin)).headers["ETag"]

    done = await put(face, admin, NEW, tag)

    assert done.status == 200, done
    assert path.read_text() == NEW
    assert path.stat().st_mode & 0o777 == 0o640  # whoever may read it still may
    (record,) = [one for one in await face.audited() if one.event is Event.POLICY_WRITTEN]
    assert (record.actor, record.digest) == ("alice", done.headers["ETag"][1:-1])
    assert f"{tag[1:-1]} -> {done.headers['ETag'][1:-1]}" in record.detail

    changed: list[object] = []

    async def note(policy: object) -> None:
        changed.append(policy)

    await face.services.policy.reload_if_changed(note)
    shown = await face.call("GET", "/api/v1/policy", token=admin)
    assert (shown.json["name"], shown.json["digest"]) == ("mine", done.json["digest"])
    assert shown.headers["ETag"] == done.headers["ETag"]
    assert len(changed) == 1


@pytest.mark.parametrize("broken", [WRONG.encode(), b"version: \xff\n", b"", None])
async def test_a_broken_file_is_mended(face: Face, admin: str, broken: bytes | None) -> None:
    """It is shown with its ETag and what is wrong, while what was read before stays in force."""
    path = face.services.policy.path
    in_force = (await face.call("GET", "/api/v1/policy", token=admin)).json
    if broken is None:
        path.unlink()
    else:
        path.write_bytes(broken)

    shown = await face.call("GET", "/api/v1/policy", token=admin)

    assert shown.json["text"] == (broken.decode() if broken in (b"", WRONG.encode()) else in_force["text"])
    assert (shown.json["digest"], str(path) in shown.json["problem"]) == (in_force["digest"], True)
    assert (await put(face, admin, NEW, f'"{Digest.of(in_force["text"].encode())}"')).status == 412
    assert (await put(face, admin, NEW, shown.headers["ETag"])).status == 200
    assert path.read_text() == NEW
    mended = await face.call("GET", "/api/v1/policy", token=admin)
    assert (mended.json["problem"], mended.json["text"]) == (None, NEW)


@pytest.mark.parametrize(("has_replicas", "told"), [(False, 0), (True, 1)])
async def test_whoever_writes_one_of_several_files_is_told_which(
    face: Face, admin: str, monkeypatch: pytest.MonkeyPatch, has_replicas: bool, told: int
) -> None:
    monkeypatch.setattr(Settings, "may_have_replicas", property(lambda _: has_replicas))
    tag = (await face.call("GET", "/api/v1/policy", token=admin)).headers["ETag"]

    warnings = (await put(face, admin, NEW, tag)).json["warnings"]

    beginning = f"it is written to {face.services.policy.path} on {socket.gethostname()}; other gates on this database"
    assert [one.startswith(beginning) for one in warnings] == [True] * told


async def test_nobody_writes_over_what_somebody_else_wrote_meanwhile(face: Face, admin: str) -> None:
    tag = (await face.call("GET", "/api/v1/policy", token=admin)).headers["ETag"]
    face.services.policy.path.write_text(NEW)
    for stale in (tag, "*", '"x"', f"W/{tag}"):
        refused = await put(face, admin, profile_text(Profile.PRODUCTION), stale)
        assert (refused.status, refused.code) == (412, "DENIED"), stale
    assert (await put(face, admin, NEW, None)).status == 400
    assert face.services.policy.path.read_text() == NEW
    assert Event.POLICY_WRITTEN not in {one.event for one in await face.audited()}


async def test_a_broken_policy_is_refused_with_every_mistake(face: Face, admin: str) -> None:
    tag = (await face.call("GET", "/api/v1/policy", token=admin)).headers["ETag"]
    refused = await put(face, admin, WRONG, tag)
    assert refused.status == 400
    assert "policy:3:20: " in refused.message
    assert "policy:4:5: " in refused.message
    checked = await face.call("POST", "/api/v1/policy/check", token=admin, body=WRONG.encode())
    assert (checked.status, checked.json["valid"]) == (200, False)
    assert [(one["line"], one["column"]) for one in checked.json["mistakes"]] == [(3, 20), (4, 5)]
    assert (await put(face, admin, "\ufeff\0", tag)).status == 400
    body = b"version: \xff"
    assert (await face.call("POST", "/api/v1/policy/check", token=admin, body=body)).status == 400
    assert face.services.policy.path.read_text() == profile_text(Profile.EVALUATION)


async def test_a_file_that_is_not_the_gates_to_write_is_left_alone(
    face: Face, admin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = tmp_path / "mounted.yaml"
    mounted.symlink_to("/proc/version")  # nobody makes a file beside it, not even root
    monkeypatch.setattr(face.services.policy, "path", mounted)

    refused = await put(face, admin, NEW, f'"{Digest.of(mounted.read_bytes())}"')

    assert (refused.status, refused.code) == (409, "DENIED")
    assert f"the policy cannot be written to {mounted}: " in refused.message
    assert refused.message.endswith("change it there")
    assert mounted.is_symlink()
    assert Event.POLICY_WRITTEN not in {one.event for one in await face.audited()}


async def test_a_link_goes_on_leading_to_the_file_that_is_written(face: Face, admin: str, tmp_path: Path) -> None:
    policy = face.services.policy.path
    target = policy.rename(tmp_path / "kept.yaml")
    policy.symlink_to(target)
    tag = (await face.call("GET", "/api/v1/policy", token=admin)).headers["ETag"]
    assert (await put(face, admin, NEW, tag)).status == 200
    assert policy.is_symlink()
    assert target.read_text() == NEW


async def test_a_valid_policy_is_named_and_tried_on_the_images_of_whoever_asks(face: Face, admin: str) -> None:
    checked = await face.call("POST", "/api/v1/policy/check", token=admin, body=NEW.encode())
    assert {name: checked.json[name] for name in ("valid", "judged", "changes", "mistakes", "left_out")} == {
        "valid": True,
        "judged": 0,
        "changes": [],
        "mistakes": [],
        "left_out": [],
    }
    assert checked.json["digest"].startswith("sha256:")


async def test_only_admins_try_it_and_only_admins_of_everything_read_and_replace_it(face: Face, admin: str) -> None:
    _, limited = await face.new_token(Role.ADMIN, "team/**", name="bob")
    tag = (await face.call("GET", "/api/v1/policy", token=admin)).headers["ETag"]
    refused = await face.call("GET", "/api/v1/policy", token=limited)
    assert (refused.status, "does not cover **" in refused.message) == (403, True), "it tells of others' repositories"
    assert (await face.call("POST", "/api/v1/policy/check", token=limited, body=NEW.encode())).status == 200
    assert (await put(face, limited, NEW, tag)).status == 403
    bearer = {"Authorization": await face.bearer("repository:team/app:pull", token=admin)}
    for headers in ({}, bearer):
        assert (await face.call("GET", "/api/v1/policy", headers=headers)).status == 403
        assert (await face.call("POST", "/api/v1/policy/check", headers=headers, body=b"")).status == 403
        assert (
            await face.call("PUT", "/api/v1/policy", headers={**headers, "If-Match": tag}, body=NEW.encode())
        ).status == 403
