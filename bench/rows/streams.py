"""What a hundred transfers at a time cost in memory, over plain HTTP and over TLS."""

import threading
from collections.abc import Callable
from functools import partial

from bench import content, load
from bench.certificate import certificate
from bench.content import Layer
from bench.gate import REPOSITORY, Gate, gate
from bench.peers import docker_registry
from bench.plan import Plan
from bench.report import Result
from bench.turns import Candidate, Sample, in_turns

_STREAMS = 100
_LOOK_SECONDS = 0.1
_DOWNLOADS = "downloads"
_UPLOADS = "uploads"
_MOST_MIB = 300


def memory(plan: Plan) -> list[Result]:
    """The most that was resident while they ran, of the process that serves, and of it with its workers."""
    folder = plan.folder / "memory"
    layer = content.layer(plan.scaled(1024) << 20)
    with docker_registry(folder / "registry", plan.port(0)) as direct:
        with gate(folder / "gate", plan.port(1), direct) as running:
            image = content.image([layer])
            running.push(image, image.digest)
            plain = _measured(plan, running, layer)
        made = certificate(folder)
        files = {"LISTEN__TLS_CERT_FILE": str(made.certificate), "LISTEN__TLS_KEY_FILE": str(made.key)}
        with gate(folder / "gate", plan.port(1), direct, made.trusted, **files) as running:
            encrypted = _measured(plan, running, layer)
        with gate(folder / "gate", plan.port(1), direct, LISTEN__WORKERS="2") as running:
            by_two = _measured(plan, running, layer)
    samples = plain | {f"{name}, TLS": sample for name, sample in encrypted.items()}
    for name, sample in by_two.items():  # what was started only supervises, so all of it counts
        samples[f"{name}, 2 workers, all"] = Sample(sample.more["with workers"], more=sample.more)
    title = f"Memory while {_STREAMS} streams of {len(layer.content) >> 20} MiB run"
    return [Result(title, "MiB", samples, limits=dict.fromkeys(samples, _MOST_MIB), less_is_better=True)]


def _measured(plan: Plan, running: Gate, layer: Layer) -> dict[str, Sample]:
    path, seconds = f"/v2/{REPOSITORY}/blobs/{layer.digest}", plan.seconds * 5

    def download() -> load.Volume:
        headers = {"Authorization": running.bearer("pull")}
        return load.downloads(running.server, path, headers, len(layer.content), streams=_STREAMS, seconds=seconds)

    def upload() -> load.Volume:
        headers = {"Authorization": running.bearer("pull", "push")}
        return load.broken_uploads(
            running.server, REPOSITORY, layer.content, headers, streams=_STREAMS, seconds=seconds
        )

    return in_turns(
        [
            Candidate(_DOWNLOADS, partial(_most_resident, running, download)),
            Candidate(_UPLOADS, partial(_most_resident, running, upload)),
        ],
        1,
    )


def _most_resident(running: Gate, transfer: Callable[[], load.Volume]) -> Sample:
    before = running.server.resident_mib()
    seen: list[tuple[float, float]] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_SECONDS):
            seen.append((running.server.resident_mib(), running.server.resident_together_mib()))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        volume = transfer()
    finally:
        over.set()
        looking.join()
    alone = [one for one, _ in seen]
    more = {
        "at rest": before,
        "first half": max(alone[: len(alone) // 2 + 1]),
        "with workers": max(together for _, together in seen),
        "MB/s": volume.megabytes_per_second,
    }
    return Sample(max(alone), more=more)
