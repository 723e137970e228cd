"""Manifests by digest: the same again and again, and each for the first time."""

import random
from collections.abc import Callable
from functools import partial

from bench import content, load
from bench.gate import REPOSITORY, Gate, gate
from bench.peers import DIRECT, Nginx, docker_registry, nginx
from bench.plan import Plan
from bench.processes import Server
from bench.report import Goal, Result
from bench.turns import Candidate, Sample, in_turns, with_cpu
from scanning.oci.digest import Digest
from scanning.oci.media_types import OCI_MANIFEST

CONNECTIONS = 16
ACCEPT = {"Accept": OCI_MANIFEST}
_LAYER_BYTES = 1 << 16
_TOKENS = 50
_DIGESTS = 50
_FIRST = 500
_BEFORE_THE_FIRST = 100
_SEED = 24
_GATE = "imagegate"
_MICROSECONDS = 1e6


def pulls(plan: Plan) -> list[Result]:
    """Token, access, verdict, audit, metrics and log are on; the digest has been asked for before."""
    folder = plan.folder / "manifests"
    with (
        docker_registry(folder / "registry", plan.port(0)) as direct,
        nginx(Nginx.DEFAULT, folder / "nginx", plan.port(1), direct) as passing,
        nginx(Nginx.CACHE, folder / "nginx-cache", plan.port(2), direct) as caching,
        gate(folder / "gate", plan.port(3), direct) as running,
    ):
        image = content.image([content.layer(_LAYER_BYTES)])
        running.push(image, image.digest)
        path = path_of(image.digest)
        measure = partial(rate, path, plan)
        samples = in_turns(
            [
                Candidate(DIRECT, lambda: measure(direct, ACCEPT)),
                Candidate(passing.name, lambda: measure(passing, ACCEPT)),
                Candidate(caching.name, lambda: measure(caching, ACCEPT)),
                Candidate(_GATE, lambda: measure(running.server, logged_in(running))),
            ],
            plan.rounds,
        )
    return [
        Result(
            f"Manifest GET by digest, {CONNECTIONS} connections",
            "requests/s",
            samples,
            "us/request",
            (Goal(_GATE, DIRECT, 14),),
            {f"{_GATE}/p99 ms": 3.0},
        )
    ]


def mixed_pulls(plan: Plan) -> list[Result]:
    """Many clients with a token each ask for many digests: hardly a request is like the last."""
    folder = plan.folder / "mixed"
    tokens, count = plan.scaled(_TOKENS), plan.scaled(_DIGESTS)
    with (
        docker_registry(folder / "registry", plan.port(0)) as direct,
        nginx(Nginx.CACHE, folder / "nginx-cache", plan.port(1), direct) as caching,
        gate(folder / "gate", plan.port(2), direct) as running,
    ):
        layer = content.layer(_LAYER_BYTES)
        images = [content.image([layer], f"build {number}") for number in range(count)]
        running.push_all([(image, image.digest) for image in images])
        paths = [path_of(image.digest) for image in images]
        measure = partial(_mixture, paths, plan)
        samples = in_turns(
            [
                Candidate(DIRECT, lambda: measure(direct, [ACCEPT])),
                Candidate(caching.name, lambda: measure(caching, [ACCEPT])),
                Candidate(_GATE, lambda: measure(running.server, [logged_in(running) for _ in range(tokens)])),
            ],
            plan.rounds,
        )
    title = f"Manifest GET, {count} digests, {tokens} tokens, {CONNECTIONS} connections"
    return [Result(title, "requests/s", samples, "us/request", (Goal(_GATE, DIRECT, 3),))]


def first_pulls(plan: Plan) -> list[Result]:
    """Every digest is asked for once, by a gate that knows of none: verdict and bytes come from its records.

    In each round it has just started, and both servers have answered for some other digests. That the upstream has
    them all is believed until the last round is over, however long pushing them took.
    """
    folder = plan.folder / "first"
    count, others = plan.scaled(_FIRST), plan.scaled(_BEFORE_THE_FIRST)
    start = partial(gate, folder / "gate", plan.port(1), REGISTRY__FRESH_SECONDS="3600")
    with docker_registry(folder / "registry", plan.port(0)) as direct:
        layer = content.layer(_LAYER_BYTES)
        images = [content.image([layer], f"build {number}") for number in range(count + others)]
        with start(direct) as running:
            running.push_all([(image, image.digest) for image in images])
        paths = [path_of(image.digest) for image in images]

        def measure(server: Server, headers: dict[str, str]) -> Sample:
            _each_once(paths[count:], server, headers)
            return _each_once(paths[:count], server, headers)

        def by_gate() -> Sample:
            with start(direct) as fresh:
                return measure(fresh.server, logged_in(fresh))

        samples = in_turns(
            [Candidate(DIRECT, lambda: measure(direct, ACCEPT)), Candidate(_GATE, by_gate)],
            plan.rounds,
        )
    title = f"Manifest GET, {count} digests, each for the first time, {CONNECTIONS} connections"
    return [Result(title, "requests/s", samples, "us/request", (Goal(_GATE, DIRECT, 1),))]


def path_of(digest: Digest) -> str:
    """Where a manifest is."""
    return f"/v2/{REPOSITORY}/manifests/{digest}"


def logged_in(running: Gate) -> dict[str, str]:
    """The headers of somebody who may pull from a gate."""
    return {**ACCEPT, "Authorization": running.bearer("pull")}


def rate(path: str, plan: Plan, server: Server, headers: dict[str, str]) -> Sample:
    """How often the same is answered in a second."""
    return _asked(server, partial(load.requests, server, path, headers, connections=CONNECTIONS), plan)


def _mixture(paths: list[str], plan: Plan, server: Server, clients: list[dict[str, str]]) -> Sample:
    """Each client asks for each manifest, in no order. (wrk cannot read answers to HEAD.)"""
    asked = [load.Question(path, headers) for path in paths for headers in clients]
    random.Random(_SEED).shuffle(asked)  # noqa: S311 - the same for all servers
    return _asked(server, partial(load.questions, server, asked, connections=CONNECTIONS), plan)


def _asked(server: Server, ask: Callable[..., load.Rate], plan: Plan) -> Sample:
    """What is measured begins after a second of the same: all servers alike are past their first answers then."""
    if plan.warm_up_seconds:
        ask(seconds=plan.warm_up_seconds)

    def measure() -> tuple[float, float, dict[str, float]]:
        found = ask(seconds=plan.seconds)
        return found.per_second, found.requests / _MICROSECONDS, {"p50 ms": found.p50, "p99 ms": found.p99}

    return with_cpu(server, measure)


def _each_once(paths: list[str], server: Server, headers: dict[str, str]) -> Sample:
    def measure() -> tuple[float, float, dict[str, float]]:
        found = load.each_once(server, paths, headers, connections=CONNECTIONS)
        return found.per_second, found.requests / _MICROSECONDS, {"p50 ms": found.p50, "p99 ms": found.p99}

    return with_cpu(server, measure)
