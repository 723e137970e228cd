"""containerd without docker, through its own `ctr`."""

import tarfile
from pathlib import Path

from tests.e2e.clients.terminal import Daemon, Said, layout_of, run, spoken
from tests.images import TestImage


class Containerd(Daemon):
    """containerd without Kubernetes' interface."""

    program = "containerd"

    @property
    def socket(self) -> str:
        """Where it listens."""
        return str(self._folder / "containerd.sock")

    def options(self) -> list[str]:
        folder = self._folder
        settings = folder / "config.toml"
        settings.write_text(
            f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
            'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
            f'[grpc]\naddress = "{self.socket}"\n'
        )
        return ["--config", str(settings)]

    def answers(self) -> bool:
        return run("ctr", "--address", self.socket, "version").ok


class Ctr:
    """ctr keeps no login: the token goes with each command."""

    name = "ctr"

    def __init__(self, home: Path, daemon: Containerd) -> None:
        self._home = home
        self._daemon = daemon
        self._token = ""

    def _images(self, *arguments: str) -> Said:
        return run("ctr", "--address", self._daemon.socket, "images", *arguments)

    def _at_gate(self, command: str, *arguments: str) -> Said:
        return self._images(command, "--plain-http", "--user", f"someone:{self._token}", *arguments)

    def login(self, host: str, token: str) -> Said:
        """Remember the token; whether it is good is seen at the first pull."""
        del host
        self._token = token
        return Said(0, "")

    def push(self, image: TestImage, reference: str) -> Said:
        repository, _, tag = reference.rpartition(":")
        archive = self._home / "image.tar"
        with tarfile.open(archive, "w") as packed:
            packed.add(layout_of(self._home, image, tag), arcname=".")
        spoken(self._images("import", "--all-platforms", "--no-unpack", "--base-name", repository, str(archive)))
        return self._at_gate("push", reference)

    def pull(self, reference: str) -> Said:
        self._images("rm", "--sync", reference)  # what it holds already would not be fetched
        return self._at_gate("pull", "--snapshotter", "native", reference)

    def copy(self, source: str, target: str) -> Said:
        spoken(self.pull(source))
        spoken(self._images("tag", "--force", source, target))
        return self._at_gate("push", target)

    def holds(self, reference: str) -> str:
        listed = spoken(self._images("ls", f"name=={reference}")).splitlines()[1]
        return listed.split()[2]
