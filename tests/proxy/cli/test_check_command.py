"""`imagegate check`: what the gate would say, asked before anything is pushed."""

import io
import json
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from scanning.documents import decode
from scanning.verdict import Outcome, Verdict
from tests.clamav import EICAR, running_clamd
from tests.images import TestImage, debian, image
from tests.proxy.cli.conftest import BOTH, CLEAN, HOSTILE, SSH, WITH_SSH, Run
from tests.registries import PASSWORD, USERNAME, RealRegistry, fresh_repository

UNSIGNED = json.dumps({"version": 1, "rules": [{"repositories": ["**"], "require": {"signatures": {"of": []}}}]})


def archive_of(folder: Path, path: Path, prefix: str = "") -> Path:
    """An oci-archive of a layout, as skopeo and podman write it."""
    with tarfile.open(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.add(file, prefix + str(file.relative_to(folder)))
    return path


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    return CLEAN.write_layout(tmp_path / "clean")


@pytest.fixture
def refused(tmp_path: Path) -> Path:
    return WITH_SSH.write_layout(tmp_path / "with-ssh")


class TestAnswers:
    def test_status_0_admitted(self, run: Run, clean: Path) -> None:
        checked = run("check", clean)

        assert checked.exit_code == 0
        assert checked.stdout.startswith("ADMITTED\n")
        assert f"  image        clean@{CLEAN.digest}\n" in checked.stdout

    def test_status_1_refused(self, run: Run, refused: Path) -> None:
        checked = run("check", refused)

        assert checked.exit_code == 1
        assert checked.stdout.startswith("REFUSED\n")
        assert "1.  Remove 1 tool [deny.tools: reject]" in checked.stdout
        assert "- ssh in usr/bin/ssh: a tool of the kind ssh-client" in checked.stdout

    def test_status_1_in_quarantine(self, run: Run, clean: Path) -> None:
        Path("strict.yaml").write_text(UNSIGNED)

        checked = run("check", clean, "--policy", "strict.yaml")

        assert checked.exit_code == 1
        assert checked.stdout.startswith("IN QUARANTINE")

    def test_status_0_where_it_only_lacks_the_signature_that_comes_after_the_push(self, run: Run, clean: Path) -> None:
        Path("strict.yaml").write_text(UNSIGNED)

        assert run("check", clean, "--policy", "strict.yaml", "--before-signing").exit_code == 0

    def test_status_1_for_what_would_be_refused_in_audit_mode(self, run: Run, refused: Path) -> None:
        rule = {"repositories": ["**"], "mode": "audit", "deny": {"tools": {"kinds": ["ssh-client"]}}}
        Path("audit.yaml").write_text(json.dumps({"version": 1, "rules": [rule]}))

        checked = run("check", refused, "--policy", "audit.yaml")

        assert checked.exit_code == 1
        assert checked.stdout.startswith("REFUSED (audit mode")

    def test_as_json_it_is_the_whole_verdict_and_nothing_else(self, run: Run, refused: Path) -> None:
        checked = run("check", refused, "--format", "json")

        verdict = decode(Verdict, checked.stdout.encode())
        assert checked.exit_code == 1
        assert (verdict.outcome, verdict.digest) == (Outcome.REJECT, WITH_SSH.digest)
        assert verdict.violations[0].rule == "deny.tools"

    def test_an_index_is_judged_by_its_images(self, run: Run, tmp_path: Path) -> None:
        assert run("check", BOTH.write_layout(tmp_path / "both")).exit_code == 0

    def test_what_an_image_says_cannot_steer_the_terminal(self, run: Run, tmp_path: Path) -> None:
        checked = run("check", HOSTILE.write_layout(tmp_path / "hostile"))

        assert checked.exit_code == 1
        assert "\\x1b[2J\\x07[bold]evil" in checked.stdout
        assert "\x1b" not in checked.output
        assert "\x07" not in checked.output


class TestPolicy:
    def test_without_one_it_is_the_evaluation_profile_and_says_so(self, run: Run, clean: Path, tmp_path: Path) -> None:
        checked = run("check", clean)

        assert checked.exit_code == 0
        assert checked.stderr == (
            f"There is no policy at {tmp_path / 'state' / 'policy.yaml'}: judging under the evaluation profile.\n"
        )

    def test_else_it_is_the_gates_own(self, beside: Run, clean: Path) -> None:
        admitted = beside("check", clean)
        held = beside("check", clean, "--repository", "signed/app")

        assert (admitted.exit_code, admitted.stderr) == (0, "")
        assert (held.exit_code, held.stdout.splitlines()[0]) == (
            1,
            "IN QUARANTINE: only those who may push can pull it",
        )
        assert f"signed/app@{CLEAN.digest}" in held.stdout

    def test_a_broken_one_judges_nothing(self, run: Run, clean: Path) -> None:
        Path("broken.yaml").write_text("version: 2\n")

        checked = run("check", clean, "--policy", "broken.yaml")

        assert checked.exit_code == 2
        assert "broken.yaml:1" in checked.stderr
        assert checked.stdout == ""


class TestArchive:
    @pytest.mark.parametrize("prefix", ["", "./"])
    def test_an_oci_archive(self, run: Run, refused: Path, tmp_path: Path, prefix: str) -> None:
        checked = run("check", archive_of(refused, tmp_path / "Image_1.tar", prefix))

        assert checked.exit_code == 1
        assert f"image-1@{WITH_SSH.digest}" in checked.stdout

    def test_what_docker_save_wrote_is_refused_with_a_hint(self, run: Run, tmp_path: Path) -> None:
        path = tmp_path / "image.tar"
        with tarfile.open(path, "w") as archive:
            archive.addfile(tarfile.TarInfo("manifest.json"), io.BytesIO())

        checked = run("check", path)

        assert checked.exit_code == 2
        assert checked.stderr.splitlines()[-1] == (
            f"{path} is no OCI image layout: it looks like docker save's old format; make one with: skopeo copy SOURCE"
            " oci-archive:image.tar"
        )

    @pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00"])
    def test_what_is_no_archive(self, run: Run, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "image.tar").write_bytes(content)

        checked = run("check", tmp_path / "image.tar")

        assert checked.exit_code == 2
        assert str(tmp_path / "image.tar") in checked.stderr


class TestLayout:
    def test_of_several_images_one_must_be_chosen(self, run: Run, tmp_path: Path) -> None:
        folder = CLEAN.write_layout(tmp_path / "many", "one")
        first = json.loads((folder / "index.json").read_text())["manifests"]
        WITH_SSH.write_layout(folder, "\x1b[2Jtwo")
        listing = json.loads((folder / "index.json").read_text())
        (folder / "index.json").write_text(json.dumps(listing | {"manifests": first + listing["manifests"]}))

        checked = run("check", folder)

        assert checked.exit_code == 2
        assert f"{folder} holds 2 images (one, \\x1b[2Jtwo); make a layout of the one to check\n" in checked.stderr

    def test_one_image_under_several_names_is_one_image(self, run: Run, clean: Path) -> None:
        listing = json.loads((clean / "index.json").read_text())
        again = listing["manifests"][0] | {"annotations": {"org.opencontainers.image.ref.name": "again"}}
        (clean / "index.json").write_text(json.dumps(listing | {"manifests": [*listing["manifests"], again]}))

        assert run("check", clean).exit_code == 0

    def test_a_folder_that_holds_none(self, run: Run, tmp_path: Path) -> None:
        checked = run("check", tmp_path)

        assert checked.exit_code == 2
        assert f"{tmp_path} is no OCI image layout: make one with: skopeo copy" in checked.stderr

    @pytest.mark.parametrize("listing", ["", "[]", "{}", '{"manifests": [{}]}', '{"manifests": []}'])
    def test_a_listing_that_cannot_be_read(self, run: Run, clean: Path, listing: str) -> None:
        (clean / "index.json").write_text(listing)

        checked = run("check", clean)

        assert checked.exit_code == 2
        assert str(clean) in checked.stderr

    @pytest.mark.parametrize("what", ["manifest", "config", "layer"])
    def test_what_is_missing_is_named(self, run: Run, clean: Path, what: str) -> None:
        config, layer = CLEAN.blobs
        digest = {"manifest": CLEAN.digest, "config": config, "layer": layer}[what]
        (clean / "blobs" / "sha256" / digest.hex).unlink()

        checked = run("check", clean)

        assert checked.exit_code == 2
        assert str(digest) in checked.stderr or f"there is no image {clean}" in checked.stderr

    def test_what_has_another_digest_is_refused(self, run: Run, clean: Path) -> None:
        (_, layer) = CLEAN.blobs
        path = clean / "blobs" / "sha256" / layer.hex
        path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))

        checked = run("check", clean)

        assert checked.exit_code == 2
        assert "another digest" in checked.stderr

    def test_t45_a_wrong_size_is_refused(self, run: Run, tmp_path: Path) -> None:
        document = json.loads(CLEAN.manifest)
        document["layers"][0]["size"] += 1
        lying = TestImage(json.dumps(document).encode(), CLEAN.media_type, CLEAN.blobs)

        checked = run("check", lying.write_layout(tmp_path / "lying"))

        assert checked.exit_code == 1
        assert "bytes, and the manifest says" in checked.stdout

    def test_an_index_whose_images_are_not_all_there_cannot_be_judged(self, run: Run, tmp_path: Path) -> None:
        """Pushed as it is, it would be refused."""
        folder = BOTH.write_layout(tmp_path / "both")
        missing = BOTH.children[1].digest
        (folder / "blobs" / "sha256" / missing.hex).unlink()

        checked = run("check", folder)

        assert checked.exit_code == 2
        assert f"manifest {missing}, which the index lists, is not in this repository" in checked.stderr

    def test_t39_a_manifest_that_two_readers_take_differently_cannot_be_judged(self, run: Run, tmp_path: Path) -> None:
        body = CLEAN.manifest.replace(b'"layers"', b'"Layers": [], "layers"')

        checked = run("check", TestImage(body, CLEAN.media_type, CLEAN.blobs).write_layout(tmp_path / "two"))

        assert checked.exit_code == 2
        assert checked.stdout == ""

    def test_what_it_lists_under_a_long_name(self, run: Run) -> None:
        checked = run("check", "a/" * 200 + "b")

        assert checked.exit_code == 2
        assert "is not a repository name" in checked.stderr


class TestReference:
    def test_of_the_registry_behind_the_gate(self, beside: Run) -> None:
        assert beside("check", "team/app:1").exit_code == 0
        assert beside("check", "watched/app:1", "--repository", "team/app").exit_code == 1

    def test_one_that_is_not_there(self, beside: Run) -> None:
        checked = beside("check", "team/app:none")

        assert (checked.exit_code, checked.stderr) == (2, "there is no image team/app:none\n")

    @pytest.mark.real
    def test_of_another_registry(self, run: Run, docker_registry: RealRegistry) -> None:
        name = fresh_repository().name
        put(docker_registry, name, image(debian(), SSH))
        address = f"{docker_registry.url.removeprefix('http://')}/{name}:latest"

        checked = run("check", address)
        elsewhere = run("check", address, "--repository", "team/app", "--format", "json")

        assert checked.exit_code == 1
        assert f"{name}@{WITH_SSH.digest}" in checked.stdout
        assert decode(Verdict, elsewhere.stdout.encode()).repository == "team/app"
        assert run("check", f"{address}-not").exit_code == 2

    @pytest.mark.real
    def test_of_a_registry_that_the_gate_has_a_login_for(
        self, run: Run, docker_registry_with_password: RealRegistry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        reference = f"{docker_registry_with_password.url.removeprefix('http://')}/{fresh_repository()}:1"
        assert "401" in run("check", reference).stderr
        keys = {"prefix": "mirror", "kind": "remote", "url": docker_registry_with_password.url}
        login = {"username": USERNAME, "password": PASSWORD}
        monkeypatch.setenv("IMAGEGATE_UPSTREAMS", json.dumps([keys | login]))
        assert "there is no image" in run("check", reference).stderr
        (tmp_path / "config.json").write_text(json.dumps({"auths": {reference.partition("/")[0]: {"auth": "eDp5"}}}))
        assert "401" in run("check", reference).stderr

    def test_of_a_registry_that_does_not_answer(self, run: Run) -> None:
        checked = run("check", "127.0.0.1:1/team/app:1")

        assert checked.exit_code == 2
        assert "127.0.0.1:1" in checked.stderr

    @pytest.mark.parametrize("host", ["127.0.0.1:99999", "a@b.example", "b.example?x"])
    def test_of_what_is_no_registry(self, run: Run, host: str) -> None:
        checked = run("check", f"{host}/team/app:1")

        assert checked.exit_code == 2
        assert "is not a registry's address" in checked.stderr

    def test_a_mistake_in_the_settings_is_a_sentence(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("IMAGEGATE_UPSTREAM__TOKEN_ORIGINS", "auth.example.com")

        checked = run("check", "127.0.0.1:1/team/app:1")

        assert checked.exit_code == 2
        assert "upstream.token_origins[0]: write an address such as https://" in checked.stderr


def put(registry: RealRegistry, name: str, image: TestImage) -> None:
    """Push as a client does, straight to the registry."""
    for digest, content in image.blobs.items():
        with _send("POST", f"{registry.url}/v2/{name}/blobs/uploads/", b"") as begun:
            location = begun.headers["Location"]
        separator = "&" if "?" in location else "?"
        _send("PUT", f"{location}{separator}digest={digest}", content, "application/octet-stream").close()
    _send("PUT", f"{registry.url}/v2/{name}/manifests/latest", image.manifest, image.media_type).close()


def _send(method: str, url: str, body: bytes, media_type: str = "application/octet-stream") -> Any:
    request = urllib.request.Request(url, body, {"Content-Type": media_type}, method=method)  # noqa: S310 (our own registry)
    return urllib.request.urlopen(request, timeout=60)  # noqa: S310


@pytest.mark.real
def test_malware_is_looked_for_where_the_settings_name_a_clamd(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    infected = image(debian(), {"srv/eicar.com": EICAR}).write_layout(tmp_path / "infected")
    with running_clamd(tmp_path / "clamd") as address:
        monkeypatch.setenv("IMAGEGATE_INSPECTION__CLAMD", address)
        checked = run("check", infected)

    assert checked.exit_code == 1
    assert "1.  Find out how 1 file with malware came in, and build without it [deny.malware: reject]" in checked.stdout
    assert "srv/eicar.com" in checked.stdout

    checked = run("check", infected)  # nobody is there any more

    assert checked.exit_code not in (0, 1)
    assert "nobody has looked for malware" in checked.output


@pytest.mark.parametrize("named", ["./nothing", "../nothing", "/nothing/at/all", "build/", "image.tar"])
def test_a_file_that_is_not_there_is_told_as_one(run: Run, named: str) -> None:
    checked = run("check", named)
    assert (checked.exit_code, checked.stderr.splitlines()[-1]) == (2, f"there is no file or folder {named}")
