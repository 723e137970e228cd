"""podman and buildah, each with a store of its own."""

import json
from pathlib import Path

from tests.e2e.clients.terminal import Said, layout_of, run, spoken
from tests.images import TestImage


class Podman:
    """podman keeps images in a store of its own."""

    name = "podman"

    def __init__(self, home: Path) -> None:
        self._home = home
        self._auth = str(home / "auth.json")

    def _run(self, *arguments: str) -> Said:
        storage = ("--root", str(self._home / "root"), "--runroot", str(self._home / "run"), "--storage-driver", "vfs")
        return run(self.name, *storage, *arguments, environment={"TMPDIR": str(self._home)})

    def _at_gate(self, command: str, *arguments: str) -> Said:
        return self._run(command, "--tls-verify=false", "--authfile", self._auth, *arguments)

    def login(self, host: str, token: str) -> Said:
        return self._at_gate("login", "--username", "someone", "--password", token, host)

    def push(self, image: TestImage, reference: str) -> Said:
        loaded = spoken(self._run("pull", "--quiet", f"oci:{layout_of(self._home, image)}:image"))
        return self._at_gate("push", loaded.strip().splitlines()[-1], f"docker://{reference}")

    def pull(self, reference: str) -> Said:
        return self._at_gate("pull", f"docker://{reference}")

    def build(self, context: Path, reference: str, *options: str) -> Said:
        """Build an image of a folder with a Dockerfile, and push it."""
        spoken(self._at_gate("build", "--isolation", "chroot", *options, "--tag", reference, str(context)))
        return self._at_gate("push", reference, f"docker://{reference}")

    def copy(self, source: str, target: str) -> Said:
        spoken(self.pull(source))
        return self._at_gate("push", source, f"docker://{target}")

    def holds(self, reference: str) -> str:
        return "sha256:" + spoken(self._run("image", "inspect", "--format", "{{.Id}}", reference)).strip()

    def tags(self, repository: str) -> list[str]:
        """The tags of `host/name`, as a search."""
        (found,) = json.loads(spoken(self._at_gate("search", "--list-tags", "--format", "json", repository)))
        return [str(tag) for tag in found["Tags"]]


class Buildah(Podman):
    """buildah pushes and pulls as podman does; its store has no tags at a registry to list."""

    name = "buildah"

    def holds(self, reference: str) -> str:
        inspected = self._run("inspect", "--type", "image", "--format", "{{.FromImageID}}", reference)
        return "sha256:" + spoken(inspected).strip()
