"""One large blob downloaded on several connections at a time."""

from functools import partial

from bench import content, load
from bench.certificate import certificate
from bench.gate import REPOSITORY, gate
from bench.peers import DIRECT, Nginx, docker_registry, nginx
from bench.plan import Plan
from bench.processes import Server
from bench.report import Goal, Result
from bench.turns import Candidate, Sample, in_turns, with_cpu
from scanning.oci.digest import Digest

STREAMS = 8
_GATE = "imagegate"
_KEEPING = "imagegate, cached"
_CACHE_BYTES = 4 << 30


def downloads(plan: Plan) -> list[Result]:
    """Streamed from the upstream, and from the cache of the gate."""
    folder = plan.folder / "blobs"
    with (
        docker_registry(folder / "registry", plan.port(0)) as direct,
        nginx(Nginx.DEFAULT, folder / "nginx", plan.port(1), direct) as default,
        nginx(Nginx.TUNED, folder / "nginx-tuned", plan.port(2), direct) as tuned,
        nginx(Nginx.CACHE, folder / "nginx-cache", plan.port(3), direct) as caching,
        gate(folder / "gate", plan.port(4), direct) as running,
        gate(folder / "gate-cache", plan.port(5), direct, CACHE__SIZE_BYTES=str(_CACHE_BYTES)) as keeping,
    ):
        layer = content.layer(plan.scaled(256) << 20)
        image = content.image([layer])
        for pushed in (running, keeping):
            pushed.push(image, image.digest)
        path = path_of(layer.digest)
        # A blob is kept once it was downloaded whole, which a measurement that is over sooner would never do.
        load.each_once(caching, [path], {}, connections=1)
        load.each_once(keeping.server, [path], {"Authorization": keeping.bearer("pull")}, connections=1)
        measure = partial(volume, path, len(layer.content), plan.seconds)
        samples = in_turns(
            [
                Candidate(DIRECT, lambda: measure(direct, {})),
                Candidate(default.name, lambda: measure(default, {})),
                Candidate(tuned.name, lambda: measure(tuned, {})),
                Candidate(caching.name, lambda: measure(caching, {})),
                Candidate(_GATE, lambda: measure(running.server, {"Authorization": running.bearer("pull")})),
                Candidate(_KEEPING, lambda: measure(keeping.server, {"Authorization": keeping.bearer("pull")})),
            ],
            plan.rounds,
        )
    title = f"Blob GET, {STREAMS} streams of {len(layer.content) >> 20} MiB"
    goals = (Goal(_GATE, Nginx.TUNED, 0.95), Goal(_GATE, Nginx.DEFAULT, 2), Goal(_KEEPING, Nginx.CACHE, 1))
    return [Result(title, "MB/s", samples, "s/GB", goals)]


def downloads_over_tls(plan: Plan) -> list[Result]:
    """Streamed from the upstream, which speaks plain HTTP to all of them."""
    folder = plan.folder / "blobs-tls"
    folder.mkdir()
    made = certificate(folder)
    files = {"LISTEN__TLS_CERT_FILE": str(made.certificate), "LISTEN__TLS_KEY_FILE": str(made.key)}
    layer = content.layer(plan.scaled(256) << 20)
    with docker_registry(folder / "registry", plan.port(0)) as direct:
        with gate(folder / "gate", plan.port(3), direct) as running:
            image = content.image([layer])
            running.push(image, image.digest)
        with (
            nginx(Nginx.DEFAULT, folder / "nginx", plan.port(1), direct, made) as default,
            nginx(Nginx.TUNED, folder / "nginx-tuned", plan.port(2), direct, made) as tuned,
            gate(folder / "gate", plan.port(3), direct, made.trusted, **files) as running,
        ):
            measure = partial(volume, path_of(layer.digest), len(layer.content), plan.seconds)
            samples = in_turns(
                [
                    Candidate(default.name, lambda: measure(default, {})),
                    Candidate(tuned.name, lambda: measure(tuned, {})),
                    Candidate(_GATE, lambda: measure(running.server, {"Authorization": running.bearer("pull")})),
                ],
                plan.rounds,
            )
    title = f"Blob GET over TLS, {STREAMS} streams of {len(layer.content) >> 20} MiB"
    return [Result(title, "MB/s", samples, "s/GB", (Goal(_GATE, Nginx.DEFAULT, 1),))]


def path_of(digest: Digest) -> str:
    """Where a blob is."""
    return f"/v2/{REPOSITORY}/blobs/{digest}"


def volume(path: str, size: int, seconds: float, server: Server, headers: dict[str, str]) -> Sample:
    """How much of a blob is carried in a second."""

    def measure() -> tuple[float, float, dict[str, float]]:
        found = load.downloads(server, path, headers, size, streams=STREAMS, seconds=seconds)
        return found.megabytes_per_second, found.carried / 1e9, {}

    return with_cpu(server, measure)
