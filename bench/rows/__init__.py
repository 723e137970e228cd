"""The rows of the benchmark, by name: each starts its servers, measures them in turns, and gives its results."""

from collections.abc import Callable, Mapping

from bench.plan import Plan
from bench.report import Result
from bench.rows import blobs, clients, images, layers, manifests, streams, uploads, workers

ROWS: Mapping[str, Callable[[Plan], list[Result]]] = {
    "manifests": manifests.pulls,
    "mixed": manifests.mixed_pulls,
    "first": manifests.first_pulls,
    "blobs": blobs.downloads,
    "blobs-tls": blobs.downloads_over_tls,
    "workers": workers.pulls,
    "workers-uploads": workers.pushes,
    "uploads": uploads.pushes,
    "clients": clients.copies,
    "docker": clients.docker_pulls,
    "streams": streams.memory,
    "layers": layers.inspections,
    "memory": layers.memory,
    "syft": images.beside_syft,
    "bases": images.known_base,
}
