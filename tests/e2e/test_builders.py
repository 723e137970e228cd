"""Builders that are here build and push an image each, and it can be pulled with the packages it was built of.

What others write is pushed byte for byte by `tests/proxy/gate/test_builders.py`.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests import builders
from tests.e2e.clients import Buildah, ContainerdStore, Crane, Docker, Podman, Skopeo, run
from tests.e2e.clients.terminal import spoken
from tests.e2e.conftest import Gate, need, short_folder
from tests.images import File, debian, tar
from tests.registries import fresh_repository

pytestmark = pytest.mark.real

BASE_FILES = "deb base-files 12.4"
BASE = builders.image_of(
    (replace(builders.debian_base(), media_type="application/vnd.oci.image.layer.v1.tar+gzip"),),
    {"config": {"User": "app", "Env": ["PATH=/usr/bin"]}, "history": [{"created_by": "COPY / /"}]},
)
"""With links where Debian has them: `bin`, and `var/run`, into which ko puts its data."""


def packages(gate: Gate, reference: str) -> set[str]:
    """The packages that the gate found in an image."""
    said = gate.running.command("image", "show", reference, "--json")
    assert said.returncode == 0, said.stderr
    cases = json.loads(said.stdout)
    return {
        f"{package['type']} {package['name']} {package['version']}"
        for case in cases
        for package in (case["facts"] or {"packages": ()})["packages"]
    }


@pytest.fixture
def pushed_base(gate: Gate, tmp_path: Path) -> str:
    """A base image at the gate, to build on."""
    need("skopeo")
    reference = f"{gate.host}/{fresh_repository('base')}:1"
    client = Skopeo(tmp_path / "base")
    spoken(client.login(gate.host, gate.developer))
    spoken(client.push(BASE, reference))
    return reference


def test_ko(gate: Gate, pushed_base: str, tmp_path: Path) -> None:
    need("ko", "go", "crane")
    source = tmp_path / "source"
    (source / "kodata").mkdir(parents=True)
    (source / "kodata" / "page.html").write_text("<p>")
    (source / "kodata" / "again.html").symlink_to("page.html")
    (source / "go.mod").write_text("module example.com/served\n\ngo 1.21\n")
    (source / "main.go").write_text('package main\n\nimport "os"\n\nfunc main() { os.Exit(0) }\n')
    home = Crane(tmp_path)
    spoken(home.login(gate.host, gate.developer))
    repository = fresh_repository("ko")
    said = run(
        *("ko", "build", "--bare", "--insecure-registry", "--tags", "1", "."),
        environment={
            "KO_DOCKER_REPO": f"{gate.host}/{repository}",
            "KO_DEFAULTBASEIMAGE": pushed_base,
            "DOCKER_CONFIG": str(tmp_path),
        },
        cwd=source,
    )
    assert said.ok, said.text
    found = packages(gate, f"{repository}:1")
    assert BASE_FILES in found
    assert any(package.startswith("golang stdlib 1.") for package in found)
    spoken(home.pull(f"{gate.host}/{repository}:1"))


def test_umoci(gate: Gate, tmp_path: Path) -> None:
    need("umoci", "skopeo")
    layout, bundle = tmp_path / "layout", tmp_path / "bundle"

    def umoci(command: str, *arguments: str) -> None:
        spoken(run("umoci", command, *arguments))

    umoci("init", "--layout", str(layout))
    umoci("new", "--image", f"{layout}:1")
    umoci("unpack", "--image", f"{layout}:1", str(bundle))
    for path, content in debian().items():
        target = bundle / "rootfs" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.content if isinstance(content, File) else content)
    (bundle / "rootfs" / "gone").write_text("soon")
    umoci("repack", "--refresh-bundle", "--image", f"{layout}:1", str(bundle))
    (bundle / "rootfs" / "gone").unlink()
    (bundle / "rootfs" / "one").write_text("twice")
    os.link(bundle / "rootfs" / "one", bundle / "rootfs" / "two")
    umoci("repack", "--image", f"{layout}:1", str(bundle))
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "one").write_text("<p>")
    umoci("insert", "--image", f"{layout}:1", "--opaque", str(tmp_path / "pages"), "/srv/pages")
    umoci("config", "--image", f"{layout}:1", "--config.user", "app")

    repository = fresh_repository("umoci")
    client = Skopeo(tmp_path / "home")
    spoken(client.login(gate.host, gate.developer))
    reference = f"{gate.host}/{repository}:1"
    spoken(client.run("copy", "--dest-tls-verify=false", f"oci:{layout}:1", f"docker://{reference}"))
    assert packages(gate, f"{repository}:1") == {"deb base-files 12.4+deb12u11"}
    spoken(client.pull(reference))


DOCKERFILE = """\
FROM {base}
COPY app /srv/app
ADD archive.tar /srv/data/
COPY METADATA /usr/lib/python3/dist-packages/requests-2.32.0.dist-info/METADATA
LABEL org.opencontainers.image.title=app
ENV PATH=/usr/bin
USER app
CMD ["/srv/app"]
"""


def context(folder: Path, base: str) -> Path:
    """What an image is built of."""
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE.format(base=base))
    (folder / "app").write_text("#!/bin/sh\n")
    (folder / "app").chmod(0o755)
    (folder / "archive.tar").write_bytes(tar({"a/b": b"c", "a/d": b""}))
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: requests\nVersion: 2.32.0\n")
    return folder


@pytest.fixture
def builder(request: pytest.FixtureRequest) -> Iterator[Docker | Podman]:
    """What builds of a Dockerfile: docker's classic builder, podman, buildah."""
    with short_folder() as home:
        if request.param == "docker":
            yield Docker(home, request.getfixturevalue("docker_daemon"))
        else:
            need(request.param)
            yield {"podman": Podman, "buildah": Buildah}[request.param](home)


@pytest.mark.parametrize("builder", ["docker", "podman", "buildah"], indirect=True)
def test_a_dockerfile(builder: Docker | Podman, gate: Gate, pushed_base: str, tmp_path: Path) -> None:
    spoken(builder.login(gate.host, gate.developer))
    repository = fresh_repository(builder.name)
    reference = f"{gate.host}/{repository}:1"
    spoken(builder.build(context(tmp_path / "context", pushed_base), reference))
    assert packages(gate, f"{repository}:1") == {BASE_FILES, "pypi requests 2.32.0"}
    spoken(builder.pull(reference))


@pytest.mark.parametrize("compression", ["gzip", "zstd", "estargz"])
def test_buildkit_with_what_it_attests(
    compression: str, gate: Gate, containerd_store: ContainerdStore, pushed_base: str, tmp_path: Path
) -> None:
    need("docker-buildx", "crane")
    home = Crane(tmp_path)
    spoken(home.login(gate.host, gate.developer))
    built = tmp_path / "built"
    output = f"type=oci,dest={built},tar=false,compression={compression},force-compression=true,oci-mediatypes=true"
    folder = context(tmp_path / "context", pushed_base)
    said = run(
        *("docker-buildx", "build", "--provenance=mode=max", "--output", output, str(folder)),
        environment={"DOCKER_HOST": containerd_store.socket, "DOCKER_CONFIG": str(tmp_path)},
    )
    assert said.ok, said.text
    (entry,) = json.loads((built / "index.json").read_text())["manifests"]
    index = json.loads((built / "blobs" / "sha256" / entry["digest"].partition(":")[2]).read_text())
    image, attestation = index["manifests"]
    assert attestation["platform"] == {"architecture": "unknown", "os": "unknown"}

    repository = fresh_repository("buildkit")
    spoken(home.run("push", "--index", str(built), f"{gate.host}/{repository}:1"))
    assert packages(gate, f"{repository}@{image['digest']}") == {BASE_FILES, "pypi requests 2.32.0"}
    spoken(home.run("pull", "--format", "oci", f"{gate.host}/{repository}:1", str(tmp_path / "pulled")))
    spoken(home.run("manifest", f"{gate.host}/{repository}@{attestation['digest']}"))
