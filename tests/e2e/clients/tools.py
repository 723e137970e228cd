"""Clients that need no store and no daemon: skopeo, crane, regctl, oras and helm."""

import json
import shutil
from pathlib import Path

from tests.e2e.clients.terminal import Said, layout_of, run, spoken
from tests.images import TestImage


def _layout_digest(layout: Path) -> str:
    """The digest of the one image an OCI layout holds."""
    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    return str(entry["digest"])


class _Puller:
    """A home with one OCI layout that every pull makes anew."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._pulled = home / "pulled"

    def _empty(self) -> Path:
        shutil.rmtree(self._pulled, ignore_errors=True)
        return self._pulled

    def holds(self, reference: str) -> str:
        """The digest of what the last pull brought, whatever it was called there."""
        del reference
        return _layout_digest(self._pulled)


class Skopeo(_Puller):
    """skopeo copies between a folder and the gate, and from repository to repository."""

    name = "skopeo"

    def run(self, command: str, *arguments: str) -> Said:
        """Any of its commands, logged in."""
        return run("skopeo", command, "--authfile", str(self._home / "auth.json"), *arguments)

    def login(self, host: str, token: str) -> Said:
        return self.run("login", "--tls-verify=false", "-u", "someone", "-p", token, host)

    def push(self, image: TestImage, reference: str, *options: str) -> Said:
        layout = layout_of(self._home, image)
        target = ("--dest-tls-verify=false", f"oci:{layout}:image", f"docker://{reference}")
        return self.run("copy", "--all", *options, *target)

    def pull(self, reference: str) -> Said:
        return self.run("copy", "--src-tls-verify=false", f"docker://{reference}", f"oci:{self._empty()}:image")

    def copy(self, source: str, target: str) -> Said:
        plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
        return self.run("copy", "--all", *plain, f"docker://{source}", f"docker://{target}")

    def tags(self, repository: str) -> list[str]:
        listed = json.loads(spoken(self.run("list-tags", "--tls-verify=false", f"docker://{repository}")))["Tags"]
        return [str(tag) for tag in listed]

    def delete(self, reference: str) -> Said:
        return self.run("delete", "--tls-verify=false", f"docker://{reference}")


class Crane(_Puller):
    """crane."""

    name = "crane"

    def run(self, *arguments: str) -> Said:
        """Any of its commands, logged in."""
        return run("crane", *arguments, "--insecure", environment={"DOCKER_CONFIG": str(self._home)})

    def login(self, host: str, token: str) -> Said:
        stored = self.run("auth", "login", host, "-u", "someone", "-p", token)
        return self.run("catalog", host) if stored.ok else stored  # crane itself only writes the token down

    def push(self, image: TestImage, reference: str) -> Said:
        return self.run("push", str(layout_of(self._home, image)), reference)

    def pull(self, reference: str) -> Said:
        return self.run("pull", "--format", "oci", reference, str(self._empty()))

    def copy(self, source: str, target: str) -> Said:
        return self.run("copy", source, target)

    def tags(self, repository: str) -> list[str]:
        return spoken(self.run("ls", repository)).split()

    def delete(self, reference: str) -> Said:
        """By digest: not every registry deletes a tag and leaves the manifest."""
        repository, _, _ = reference.rpartition(":")
        return self.run("delete", f"{repository}@{spoken(self.run('digest', reference)).strip()}")


class Regctl(_Puller):
    """regctl, of regclient."""

    name = "regctl"

    def run(self, *arguments: str) -> Said:
        """Any of its commands, logged in."""
        return run("regctl", "--verbosity", "error", *arguments, environment={"HOME": str(self._home)})

    def login(self, host: str, token: str) -> Said:
        spoken(self.run("registry", "set", "--skip-check", "--tls", "disabled", host))
        return self.run("registry", "login", "-u", "someone", "-p", token, host)

    def push(self, image: TestImage, reference: str) -> Said:
        return self.run("image", "copy", f"ocidir://{layout_of(self._home, image)}:image", reference)

    def pull(self, reference: str) -> Said:
        return self.run("image", "copy", reference, f"ocidir://{self._empty()}:image")

    def copy(self, source: str, target: str) -> Said:
        return self.run("image", "copy", source, target)

    def tags(self, repository: str) -> list[str]:
        return spoken(self.run("tag", "ls", repository)).split()

    def delete(self, reference: str) -> Said:
        """By digest, as above."""
        return self.run("manifest", "delete", "--force-tag-dereference", reference)


class Oras(_Puller):
    """oras copies images and anything else."""

    name = "oras"

    def run(self, *arguments: str, cwd: Path | None = None) -> Said:
        """Any of its commands, logged in."""
        return run("oras", *arguments, environment={"DOCKER_CONFIG": str(self._home)}, cwd=cwd)

    def login(self, host: str, token: str) -> Said:
        return self.run("login", "--plain-http", "-u", "someone", "-p", token, host)

    def push(self, image: TestImage, reference: str) -> Said:
        layout = layout_of(self._home, image)
        return self.run("cp", "--to-plain-http", "--from-oci-layout", f"{layout}:image", reference)

    def pull(self, reference: str) -> Said:
        target = f"{self._empty()}:image"
        return self.run("cp", "--from-plain-http", reference, "--to-oci-layout", target)

    def copy(self, source: str, target: str) -> Said:
        return self.run("cp", "--recursive", "--from-plain-http", "--to-plain-http", source, target)

    def tags(self, repository: str) -> list[str]:
        return spoken(self.run("repo", "tags", "--plain-http", repository)).split()

    def delete(self, reference: str) -> Said:
        return self.run("manifest", "delete", "--force", "--plain-http", reference)


class Helm:
    """helm keeps charts, not images, at the gate."""

    name = "helm"

    def __init__(self, home: Path) -> None:
        self._home = home

    def run(self, *arguments: str) -> Said:
        """Any of its commands, logged in."""
        homes = {f"HELM_{kind}_HOME": str(self._home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        return run("helm", *arguments, environment={**homes, "HOME": str(self._home)}, cwd=self._home)

    def login(self, host: str, token: str) -> Said:
        """Log in with a token as password."""
        return self.run("registry", "login", "--plain-http", "-u", "someone", "-p", token, host)
