"""The gate with one serving process and with two. The load takes a processor too: on two, little is left to gain."""

from functools import partial

from bench import content
from bench.gate import gate
from bench.peers import DIRECT, Nginx, docker_registry, nginx
from bench.plan import Plan
from bench.report import Goal, Result
from bench.rows import blobs, manifests, uploads
from bench.turns import Candidate, in_turns

_ONE = "imagegate"
_TWO = "imagegate, 2 workers"
_DEFERRED = "imagegate deferred, 2 workers"


def pulls(plan: Plan) -> list[Result]:
    """Manifests by digest, and large blobs streamed through."""
    folder = plan.folder / "workers"
    with (
        docker_registry(folder / "registry", plan.port(0)) as direct,
        nginx(Nginx.DEFAULT, folder / "nginx", plan.port(1), direct) as passing,
        gate(folder / "one", plan.port(2), direct) as one,
        gate(folder / "two", plan.port(3), direct, LISTEN__WORKERS="2") as two,
    ):
        layer = content.layer(plan.scaled(256) << 20)
        image = content.image([layer])
        for running in (one, two):
            running.push(image, image.digest)
        rate = partial(manifests.rate, manifests.path_of(image.digest), plan)
        volume = partial(blobs.volume, blobs.path_of(layer.digest), len(layer.content), plan.seconds)
        asked = in_turns(
            [
                Candidate(DIRECT, lambda: rate(direct, manifests.ACCEPT)),
                Candidate(_ONE, lambda: rate(one.server, manifests.logged_in(one))),
                Candidate(_TWO, lambda: rate(two.server, manifests.logged_in(two))),
            ],
            plan.rounds,
        )
        carried = in_turns(
            [
                Candidate(passing.name, lambda: volume(passing, {})),
                Candidate(_ONE, lambda: volume(one.server, {"Authorization": one.bearer("pull")})),
                Candidate(_TWO, lambda: volume(two.server, {"Authorization": two.bearer("pull")})),
            ],
            plan.rounds,
        )
    return [
        Result(
            f"Manifest GET by digest, {manifests.CONNECTIONS} connections, by serving processes",
            "requests/s",
            asked,
            "us/request",
            (Goal(_TWO, DIRECT, 14),),
        ),
        Result(
            f"Blob GET, {blobs.STREAMS} streams, by serving processes",
            "MB/s",
            carried,
            "s/GB",
            (Goal(_TWO, Nginx.DEFAULT, 2),),
        ),
    ]


def pushes(plan: Plan) -> list[Result]:
    """Large layers, one and eight at a time, inspected on their way, or after it by two processes."""
    folder = plan.folder / "workers-uploads"
    size = plan.scaled(96) << 20
    with (
        docker_registry(folder / "registry", plan.port(0)) as direct,
        nginx(Nginx.TUNED, folder / "nginx", plan.port(1), direct) as tuned,
        gate(folder / "one", plan.port(2), direct) as one,
        gate(folder / "two", plan.port(3), direct, LISTEN__WORKERS="2") as two,
        gate(folder / "deferred", plan.port(4), direct, LISTEN__WORKERS="2", INSPECTION__MODE="deferred") as deferred,
    ):
        gates = {_ONE: one, _TWO: two, _DEFERRED: deferred}
        by = ", by serving processes"
        return uploads.compared(plan, size, (direct, tuned), gates, inline=_TWO, deferred=_DEFERRED, by=by)
