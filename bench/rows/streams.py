"""What a hundred downloads at a time cost in memory."""

import threading

from bench import content, load
from bench.gate import REPOSITORY, Gate, gate
from bench.peers import docker_registry
from bench.plan import Plan
from bench.report import Result
from bench.turns import Candidate, Sample, in_turns

_STREAMS = 100
_LOOK_SECONDS = 0.1
_GATE = "imagegate"


def memory(plan: Plan) -> list[Result]:
    """The most that was resident while they ran, of the process that serves, and of it with its workers."""
    folder = plan.folder / "memory"
    with (
        docker_registry(folder / "registry", plan.port(0)) as direct,
        gate(folder / "gate", plan.port(1), direct) as running,
    ):
        layer = content.layer(plan.scaled(256) << 20)
        image = content.image([layer])
        running.push(image, image.digest)
        path, size = f"/v2/{REPOSITORY}/blobs/{layer.digest}", len(layer.content)
        samples = in_turns([Candidate(_GATE, lambda: _most_resident(running, path, size, plan.seconds * 5))], 1)
    title = f"Memory while {_STREAMS} streams of {size >> 20} MiB run"
    return [Result(title, "MiB", samples, limits={_GATE: 300}, less_is_better=True)]


def _most_resident(running: Gate, path: str, size: int, seconds: float) -> Sample:
    before = running.server.resident_mib(leader_only=True)
    seen: list[tuple[float, float]] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_SECONDS):
            seen.append((running.server.resident_mib(leader_only=True), running.server.resident_mib()))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        headers = {"Authorization": running.bearer("pull")}
        load.downloads(running.server, path, headers, size, streams=_STREAMS, seconds=seconds)
    finally:
        over.set()
        looking.join()
    most = max(alone for alone, _ in seen)
    return Sample(most, more={"at rest": before, "with workers": max(together for _, together in seen)})
