"""Real clients, each with a home of its own: log in, push, copy, pull, all by the client's own commands."""

from tests.e2e.clients.containerd import Containerd, Ctr
from tests.e2e.clients.docker import ContainerdStore, Docker, DockerDaemon, GraphDrivers
from tests.e2e.clients.podman import Buildah, Podman
from tests.e2e.clients.terminal import Client, Curator, Daemon, Said, run
from tests.e2e.clients.tools import Crane, Helm, Oras, Regctl, Skopeo

__all__ = [
    "Buildah",
    "Client",
    "Containerd",
    "ContainerdStore",
    "Crane",
    "Ctr",
    "Curator",
    "Daemon",
    "Docker",
    "DockerDaemon",
    "GraphDrivers",
    "Helm",
    "Oras",
    "Podman",
    "Regctl",
    "Said",
    "Skopeo",
    "run",
]
