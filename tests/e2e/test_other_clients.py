"""More real clients: what buildah builds, what crane copies, and both ways in which cosign stores a signature."""

from pathlib import Path

import pytest

from tests.e2e.clients import Said, Skopeo, run
from tests.e2e.conftest import Gate, SigningKey, need
from tests.images import File, debian, dpkg_status, image, index
from tests.registries import fresh_repository

pytestmark = pytest.mark.real


def crane(home: Path, *arguments: str) -> Said:
    """crane with a configuration of its own."""
    need("crane")
    return run("crane", *arguments, "--insecure", environment={"DOCKER_CONFIG": str(home)})


def logged_in(gate: Gate, home: Path, token: str) -> Path:
    """A home in which crane is logged in."""
    said = crane(home, "auth", "login", gate.host, "-u", "someone", "-p", token)
    assert said.ok, said.text
    return home


def test_buildah_builds_and_pushes(gate: Gate, tmp_path: Path) -> None:
    need("buildah")
    root = tmp_path / "rootfs"
    for path, content in debian().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content.content if isinstance(content, File) else content)
    storage = ("--root", str(tmp_path / "r"), "--runroot", str(tmp_path / "rr"), "--storage-driver", "vfs")
    environment = {"TMPDIR": str(tmp_path), "BUILDAH_ISOLATION": "chroot"}

    def buildah(*arguments: str) -> str:
        said = run("buildah", *storage, *arguments, environment=environment)
        assert said.ok, said.text
        return said.text.strip().rpartition("\n")[2]

    container = buildah("from", "scratch")
    buildah("add", container, str(root), "/")
    buildah("config", "--user", "app", container)
    built = buildah("commit", container, "app:1")
    reference = f"{gate.host}/{fresh_repository('buildah')}:1"
    buildah("push", "--tls-verify=false", "--creds", f"someone:{gate.developer}", built, f"docker://{reference}")
    assert crane(logged_in(gate, tmp_path, gate.operator), "pull", reference, str(tmp_path / "image.tar")).ok


def test_crane_pushes_lists_copies_and_reads_refusals(gate: Gate, tmp_path: Path) -> None:
    home = logged_in(gate, tmp_path, gate.developer)
    repository = fresh_repository("crane")
    good = index(image(debian(), {"srv/a": b"a"}), image(debian(), {"srv/a": b"b"}, architecture="arm64"))
    said = crane(home, "push", "--index", str(good.write_layout(tmp_path / "good")), f"{gate.host}/{repository}:1")
    assert said.ok, said.text
    assert crane(home, "copy", f"{gate.host}/{repository}:1", f"{gate.host}/{repository}-copy:2").ok
    assert crane(home, "ls", f"{gate.host}/{repository}-copy").text.split() == ["2"]
    assert crane(home, "digest", f"{gate.host}/{repository}-copy:2").text.strip().startswith("sha256:")
    assert f"{repository}-copy" in crane(home, "catalog", gate.host).text.split()
    bad = image(debian(("openssh-client", "1:9.2p1-2")), {"var/lib/dpkg/info/x.list": b"/usr/bin/x\n"})
    refused = crane(home, "push", str(bad.write_layout(tmp_path / "bad")), f"{gate.host}/{repository}:3")
    assert not refused.ok
    assert "DENIED" in refused.text
    assert "openssh-client 1:9.2p1-2" in refused.text


def test_a_sigstore_bundle_promotes_an_index_and_the_images_it_lists(
    gate: Gate, signing_key: SigningKey, tmp_path: Path
) -> None:
    need("skopeo", "cosign")
    repository = fresh_repository("signed")
    pushed = index(
        image(debian(), {"var/lib/dpkg/status": dpkg_status(("base-files", f"12-{repository.name[-8:]}"))}),
        image(debian(), {"srv/b": repository.name.encode()}, architecture="arm64"),
    )
    client = Skopeo(tmp_path)
    assert client.login(gate.host, gate.developer).ok
    reference = f"{gate.host}/{repository}:1"
    said = client.push(pushed, reference)
    assert said.ok, said.text
    assert client.login(gate.host, gate.operator).ok
    assert not client.pull(reference).ok
    signed = signing_key.sign(gate, reference, gate.developer, "--new-bundle-format")
    assert signed.ok, signed.text
    pulled = client.pull(reference)
    assert pulled.ok, pulled.text
    for child in pushed.children:
        assert client.pull(f"{gate.host}/{repository}@{child.digest}").ok


def test_a_signature_by_a_key_the_policy_does_not_know_promotes_nothing(gate: Gate, tmp_path: Path) -> None:
    need("skopeo", "cosign")
    made = run("cosign", "generate-key-pair", environment={"COSIGN_PASSWORD": ""}, cwd=tmp_path)
    assert made.ok, made.text
    repository = fresh_repository("signed")
    reference = f"{gate.host}/{repository}:1"
    client = Skopeo(tmp_path)
    assert client.login(gate.host, gate.developer).ok
    assert client.push(image(debian(), {"srv/c": repository.name.encode()}), reference).ok
    said = SigningKey(tmp_path).sign(gate, reference, gate.developer)
    assert said.ok, said.text
    assert client.login(gate.host, gate.operator).ok
    refused = client.pull(reference)
    assert not refused.ok
    assert "require.signatures" in refused.text
