"""Large layers pushed, and how long after the last byte the verdict is there."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from bench import content, load
from bench.gate import REPOSITORY, Gate, gate
from bench.peers import DIRECT, Nginx, docker_registry, nginx
from bench.plan import Plan
from bench.processes import Server
from bench.report import Goal, Result
from bench.turns import Candidate, Sample, in_turns, with_cpu
from proxy.demo.images import Image

_INLINE = "imagegate inline"
_DEFERRED = "imagegate deferred"


def pushes(plan: Plan) -> list[Result]:
    """One stream and eight; a layer is new each time, so that nothing is known of it."""
    size = plan.scaled(96) << 20
    with ExitStack() as stack:
        folder = plan.folder / "uploads"
        direct = stack.enter_context(docker_registry(folder / "registry", plan.port(0)))
        tuned = stack.enter_context(nginx(Nginx.TUNED, folder / "nginx", plan.port(1), direct))
        inline = stack.enter_context(gate(folder / "inline", plan.port(2), direct))
        deferred = stack.enter_context(gate(folder / "deferred", plan.port(3), direct, INSPECTION__MODE="deferred"))
        servers = (direct, tuned)
        return compared(plan, size, servers, {_INLINE: inline, _DEFERRED: deferred}, inline=_INLINE, deferred=_DEFERRED)


def compared(
    plan: Plan,
    size: int,
    servers: Sequence[Server],
    gates: Mapping[str, Gate],
    *,
    inline: str,
    deferred: str,
    by: str = "",
) -> list[Result]:
    """Layers of `size` bytes, one and eight at a time, to registries and through gates; two of these have goals. `by`
    ends the titles.
    """
    results: list[Result] = []
    for streams, goal in ((1, 0.42), (8, 0.30)):
        measure = partial(_push, size, streams)
        candidates = [Candidate(server.name, partial(measure, server, None)) for server in servers]
        candidates += [Candidate(name, partial(measure, running.server, running)) for name, running in gates.items()]
        results.append(
            Result(
                f"Blob PUT, {streams} of {size >> 20} MiB at a time{by}",
                "MB/s",
                in_turns(candidates, plan.rounds),
                "s/GB",
                (Goal(inline, DIRECT, goal), Goal(deferred, Nginx.TUNED, 0.95)),
                {f"{inline}/verdict after s": 0.2},
            )
        )
    return results


def _push(size: int, streams: int, server: Server, running: Gate | None) -> Sample:
    """Push new layers at the same time, and through a gate an image of them: the time of the verdict is its answer."""
    layers = [content.layer(size) for _ in range(streams)]
    blobs = [(part.digest, part.content) for part in layers]
    image = content.image(layers)
    rest = replace(image, blobs={digest: blob for digest, blob in image.blobs.items() if digest not in dict(blobs)})
    headers = {"Authorization": running.bearer("pull", "push")} if running else {}

    def measure() -> tuple[float, float, dict[str, float]]:
        volume = load.uploads(server, REPOSITORY, blobs, headers)
        after = {"verdict after s": _verdict_after(running, rest)} if running else {}
        return volume.megabytes_per_second, volume.carried / 1e9, after

    return with_cpu(server, measure)


def _verdict_after(running: Gate, rest: Image) -> float:
    """How long the rest of the push takes once the layers are there: the manifest is answered with the verdict."""
    began = time.perf_counter()
    running.push(rest, rest.digest)
    return time.perf_counter() - began
