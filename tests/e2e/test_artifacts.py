"""Charts, modules, documents and signatures with the clients people make them with, in front of both upstreams."""

import json
import time
from pathlib import Path

import pytest

from scanning.oci.digest import Digest
from tests.e2e.clients import Crane, Helm, Oras, Regctl, Said, Skopeo, run
from tests.e2e.conftest import Gate, SigningKey, need
from tests.e2e.test_every_client import application, log_in
from tests.e2e.wire import Wire
from tests.images import debian, image, index
from tests.registries import fresh_repository

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

SBOM = "application/spdx+json"
WASM_MODULE = b"\0asm\x01\0\0\0"


def done(said: Said) -> str:
    """What a command printed that must not fail."""
    assert said.ok, said.text
    return said.text


@pytest.fixture
def oras(tmp_path: Path, gate: Gate) -> Oras:
    """oras, logged in as a developer, with a document to push in its home."""
    need("oras")
    client = Oras(tmp_path)
    done(client.login(gate.host, gate.developer))
    (tmp_path / "report.txt").write_text(tmp_path.name)
    (tmp_path / "sbom.json").write_text(json.dumps({"spdxVersion": "SPDX-2.3", "name": tmp_path.name}))
    return client


def test_helm_pushes_a_chart_and_gets_the_same_back(gate: Gate, tmp_path: Path) -> None:
    need("helm")
    helm, charts = Helm(tmp_path), f"oci://{gate.host}/{fresh_repository('charts')}"
    done(helm.login(gate.host, gate.developer))
    done(helm.run("create", "app"))
    done(helm.run("package", "app"))
    packed = (tmp_path / "app-0.1.0.tgz").read_bytes()
    done(helm.run("push", "--plain-http", "app-0.1.0.tgz", charts))
    done(helm.login(gate.host, gate.operator))
    (tmp_path / "pulled").mkdir()
    done(helm.run("pull", "--plain-http", f"{charts}/app", "--version", "0.1.0", "--destination", "pulled"))
    assert (tmp_path / "pulled" / "app-0.1.0.tgz").read_bytes() == packed
    assert "kind: Deployment" in done(helm.run("template", "--plain-http", f"{charts}/app"))


def test_a_chart_is_refused_where_the_policy_takes_images_only(gate: Gate, tmp_path: Path) -> None:
    need("helm")
    helm = Helm(tmp_path)
    done(helm.login(gate.host, gate.developer))
    done(helm.run("create", "app"))
    done(helm.run("package", "app"))
    refused = helm.run("push", "--plain-http", "app-0.1.0.tgz", f"oci://{gate.host}/images-only")
    assert not refused.ok
    assert "[artifacts]" in refused.text, refused.text


def test_oras_pushes_copies_tags_and_pulls_a_file(gate: Gate, oras: Oras, tmp_path: Path) -> None:
    repository = f"{gate.host}/{fresh_repository('oras')}"
    kind = ("--artifact-type", "application/vnd.example.report")
    done(oras.run("push", "--plain-http", *kind, f"{repository}:1", "report.txt:text/plain", cwd=tmp_path))
    done(oras.copy(f"{repository}:1", f"{repository}-copy:1"))
    done(oras.run("tag", "--plain-http", f"{repository}-copy:1", "2"))
    assert oras.tags(f"{repository}-copy") == ["1", "2"]
    done(oras.login(gate.host, gate.operator))
    done(oras.run("pull", "--plain-http", f"{repository}-copy:2", "--output", str(tmp_path / "pulled")))
    assert (tmp_path / "pulled" / "report.txt").read_text() == tmp_path.name


def test_oras_attaches_an_sbom_and_finds_it(gate: Gate, oras: Oras, tmp_path: Path) -> None:
    repository = fresh_repository("oras")
    subject, copied = f"{gate.host}/{repository}:1", f"{gate.host}/{repository}-copy:1"
    done(oras.push(application(repository), subject))
    attach = ("attach", "--plain-http", "--artifact-type", SBOM, subject, f"sbom.json:{SBOM}")
    done(oras.run(*attach, cwd=tmp_path))
    done(oras.copy(subject, copied))  # with all that refers to it
    done(oras.login(gate.host, gate.operator))
    for reference in (subject, copied):
        found = json.loads(done(oras.run("discover", "--plain-http", "--format", "json", reference)))["referrers"]
        assert [item["artifactType"] for item in found] == [SBOM]
        filtered = oras.run(
            "discover", "--plain-http", "--format", "json", "--artifact-type", "application/other", reference
        )
        assert json.loads(done(filtered))["referrers"] == []
    name, _, _ = copied.rpartition(":")
    done(oras.run("pull", "--plain-http", f"{name}@{found[0]['digest']}", "--output", str(tmp_path / "pulled")))
    assert (tmp_path / "pulled" / "sbom.json").read_bytes() == (tmp_path / "sbom.json").read_bytes()


def test_what_the_gate_attaches_is_found_by_those_who_pull(gate: Gate, oras: Oras, tmp_path: Path) -> None:
    need("regctl", "crane", "cosign")
    repository = fresh_repository("listed")
    subject = f"{gate.host}/{repository}:1"
    done(oras.push(application(str(repository)), subject))
    done(oras.login(gate.host, gate.operator))
    found: dict[str, str] = {}
    deadline = time.monotonic() + 60
    while len(found) < 2 and time.monotonic() < deadline:
        listed = json.loads(done(oras.run("discover", "--plain-http", "--format", "json", subject)))["referrers"]
        found = {item["artifactType"]: item["digest"] for item in listed}
    assert sorted(found) == [SBOM, "application/vnd.cyclonedx+json"], gate.running.log

    name, pulled = f"{gate.host}/{repository}", tmp_path / "pulled"
    done(oras.run("pull", "--plain-http", f"{name}@{found[SBOM]}", "--output", str(pulled)))
    names = [package["name"] for package in json.loads((pulled / "sbom.spdx.json").read_bytes())["packages"]]
    assert names[0] == str(repository)
    assert "base-files" in names
    cosign = {"DOCKER_CONFIG": str(tmp_path), "HOME": str(tmp_path)}
    done(run("cosign", "login", gate.host, "-u", "someone", "-p", gate.operator, environment=cosign))
    downloaded = done(run("cosign", "download", "sbom", "--allow-http-registry", subject, environment=cosign))
    document, _ = json.JSONDecoder().raw_decode(downloaded[downloaded.index("{") :])
    assert document["bomFormat"] == "CycloneDX"
    assert "base-files" in {component["name"] for component in document["components"]}
    regctl, crane = Regctl(tmp_path), Crane(tmp_path)
    done(regctl.login(gate.host, gate.operator))
    assert json.loads(done(regctl.run("artifact", "get", "--subject", subject, "--filter-artifact-type", SBOM)))
    done(crane.login(gate.host, gate.operator))
    manifest = json.loads(done(crane.run("manifest", f"{name}@{found[SBOM]}")))
    assert manifest["subject"]["digest"] == done(crane.run("digest", subject)).strip()


def test_a_wasm_module_goes_in_and_out(gate: Gate, oras: Oras, tmp_path: Path) -> None:
    reference = f"{gate.host}/{fresh_repository('wasm')}:1"
    (tmp_path / "app.wasm").write_bytes(WASM_MODULE)
    (tmp_path / "wasm.json").write_text(json.dumps({"architecture": "wasm", "os": "wasip1", "layerDigests": []}))
    config = ("--config", "wasm.json:application/vnd.wasm.config.v0+json")
    done(oras.run("push", "--plain-http", *config, reference, "app.wasm:application/wasm", cwd=tmp_path))
    done(oras.login(gate.host, gate.operator))
    done(oras.run("pull", "--plain-http", reference, "--output", str(tmp_path / "pulled")))
    assert (tmp_path / "pulled" / "app.wasm").read_bytes() == WASM_MODULE


def test_regctl_puts_an_artifact_beside_an_image_and_lists_it(gate: Gate, tmp_path: Path) -> None:
    need("regctl")
    regctl, repository = Regctl(tmp_path), fresh_repository("regctl")
    done(regctl.login(gate.host, gate.developer))
    subject = f"{gate.host}/{repository}:1"
    done(regctl.push(application(repository), subject))
    (tmp_path / "report").write_text(tmp_path.name)
    put = ("artifact", "put", "--artifact-type", "application/vnd.example.report", "--file", str(tmp_path / "report"))
    done(regctl.run(*put, "--subject", subject))
    done(regctl.login(gate.host, gate.operator))
    assert "application/vnd.example.report" in done(regctl.run("artifact", "list", subject))
    assert done(regctl.run("artifact", "get", "--subject", subject)) == tmp_path.name


def test_cosign_attests_verifies_and_copies_with_the_image(gate: Gate, signing_key: SigningKey, tmp_path: Path) -> None:
    need("cosign", "oras")
    repository = fresh_repository("cosign")
    subject, copied = f"{gate.host}/{repository}:1", f"{gate.host}/{repository}-copy:1"
    client = Oras(tmp_path)
    done(client.login(gate.host, gate.developer))
    done(client.push(application(repository), subject))
    done(signing_key.sign(gate, subject, gate.developer))
    environment = {"COSIGN_PASSWORD": "", "DOCKER_CONFIG": str(signing_key.folder), "HOME": str(signing_key.folder)}

    def cosign(command: str, *arguments: str) -> Said:
        return run("cosign", command, "--allow-insecure-registry", *arguments, environment=environment)

    (tmp_path / "predicate.json").write_text('{"checked": true}')
    key = ("--key", str(signing_key.folder / "cosign.key"))
    done(
        cosign("attest", "--yes", "--tlog-upload=false", *key, "--predicate", str(tmp_path / "predicate.json"), subject)
    )
    done(cosign("copy", subject, copied))
    verify = ("--insecure-ignore-tlog", "--key", str(signing_key.folder / "cosign.pub"))
    for reference in (subject, copied):
        done(cosign("verify", *verify, reference))
        assert "Signatures for an image" in done(cosign("tree", reference))
        done(cosign("verify-attestation", *verify, "--type", "custom", reference))


def test_skopeo_copies_an_index_whole_in_the_format_asked_for(gate: Gate, tmp_path: Path) -> None:
    need("skopeo")
    skopeo, repository = Skopeo(tmp_path), fresh_repository("skopeo")
    log_in(skopeo, gate, gate.developer)
    both = index(application(repository), image(debian(), {"srv/b": b"b"}, architecture="arm64"))
    wire = Wire(gate.running.port, gate.operator)
    for name, option, media_type in (
        ("oci", "oci", "application/vnd.oci.image.index.v1+json"),
        ("docker", "v2s2", "application/vnd.docker.distribution.manifest.list.v2+json"),
    ):
        done(skopeo.push(both, f"{gate.host}/{repository}:{name}", "--format", option))
        listed = wire.send("GET", f"/v2/{repository}/manifests/{name}")
        assert listed.headers["content-type"] == media_type
        for entry in listed.json["manifests"]:
            child = wire.send("GET", f"/v2/{repository}/manifests/{entry['digest']}")
            assert (child.status, str(Digest.of(child.body))) == (200, entry["digest"])


def test_skopeo_syncs_a_repository_to_a_folder_and_back(gate: Gate, tmp_path: Path) -> None:
    need("skopeo")
    skopeo, repository = Skopeo(tmp_path), fresh_repository("skopeo")
    log_in(skopeo, gate, gate.developer)
    images = {tag: application(f"{repository}{tag}") for tag in ("1", "2")}
    for tag, made in images.items():
        done(skopeo.push(made, f"{gate.host}/{repository}:{tag}"))
    folder, parent = tmp_path / "mirror", f"{gate.host}/{fresh_repository('synced')}"
    folder.mkdir()
    out = ("sync", "--all", "--src", "docker", "--dest", "dir", "--src-tls-verify=false")
    done(skopeo.run(*out, f"{gate.host}/{repository}", str(folder)))
    back = ("sync", "--all", "--src", "dir", "--dest", "docker", "--dest-tls-verify=false")
    done(skopeo.run(*back, str(folder), parent))
    across = (
        "sync",
        "--all",
        "--src",
        "docker",
        "--dest",
        "docker",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
    )
    _, _, last = str(repository).rpartition("/")
    done(skopeo.run(*across, f"{parent}/{last}", f"{parent}-again"))
    wire = Wire(gate.running.port, gate.operator)
    for tag, made in images.items():
        target = f"{parent}-again/{last}".removeprefix(f"{gate.host}/")
        assert Digest.of(wire.send("GET", f"/v2/{target}/manifests/{tag}").body) == made.digest
