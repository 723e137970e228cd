"""docker, with a daemon of the test's own: one for each of its two image stores."""

import tarfile
from pathlib import Path
from typing import ClassVar

from tests.e2e.clients.terminal import Daemon, Said, layout_of, run, spoken
from tests.images import TestImage


class DockerDaemon(Daemon):
    """dockerd without a network of its own."""

    store: ClassVar[tuple[str, ...]]

    @property
    def socket(self) -> str:
        """Where it listens."""
        return f"unix://{self._folder}/docker.sock"

    def options(self) -> list[str]:
        folder = self._folder
        (folder / "daemon.json").write_text("{}")  # not the machine's
        return [
            *self.store, "--config-file", f"{folder}/daemon.json", "--iptables=false", "--bridge=none",
            "--host", self.socket, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec",
            "--pidfile", f"{folder}/pid",
        ]  # fmt: skip

    def answers(self) -> bool:
        return run("docker", "--host", self.socket, "version").ok


class GraphDrivers(DockerDaemon):
    """Debian's docker: images are in its own graph drivers, the classic store."""

    program = "dockerd"
    store = ("--storage-driver=vfs",)


class ContainerdStore(DockerDaemon):
    """docker of today: images are in containerd, and its snapshotters unpack them. `.ci/run` builds it by this name."""

    program = "dockerd-containerd-store"
    store = ("--storage-driver=native", "--ip6tables=false")


class Docker:
    """docker, as one talks to either daemon."""

    name = "docker"

    def __init__(self, home: Path, daemon: DockerDaemon) -> None:
        self._home = home
        self._daemon = daemon
        if isinstance(daemon, ContainerdStore):
            self.name = "docker-containerd"

    def _docker(self, *arguments: str, environment: dict[str, str] | None = None) -> Said:
        command = ("docker", "--host", self._daemon.socket, "--config", str(self._home), *arguments)
        return run(*command, environment=environment)

    def login(self, host: str, token: str) -> Said:
        return self._docker("login", "--username", "someone", "--password", token, host)

    def push(self, image: TestImage, reference: str) -> Said:
        spoken(self._docker("load", "--input", str(self._archive(image, reference))))
        return self._docker("push", reference)

    def _archive(self, image: TestImage, reference: str) -> Path:
        """An archive that loads as `reference`: an OCI layout, where the store takes one."""
        archive = self._home / "image.tar"
        archive.unlink(missing_ok=True)
        if isinstance(self._daemon, ContainerdStore):
            layout = layout_of(self._home, image, reference)
            with tarfile.open(archive, "w") as packed:
                packed.add(layout, arcname=".")
        else:
            layout = layout_of(self._home, image)
            spoken(run("skopeo", "copy", f"oci:{layout}:image", f"docker-archive:{archive}:{reference}"))
        return archive

    def pull(self, reference: str) -> Said:
        self._docker("rmi", "--force", reference)  # what it holds already would not be fetched
        return self._docker("pull", reference)

    def build(self, context: Path, reference: str, *options: str) -> Said:
        """Build an image of a folder with a Dockerfile, with docker's own builder, and push it."""
        spoken(self._docker("build", *options, "--tag", reference, str(context), environment={"DOCKER_BUILDKIT": "0"}))
        return self._docker("push", reference)

    def copy(self, source: str, target: str) -> Said:
        spoken(self.pull(source))
        spoken(self._docker("tag", source, target))
        return self._docker("push", target)

    def holds(self, reference: str) -> str:
        return spoken(self._docker("image", "inspect", "--format", "{{.Id}}", reference)).strip()
