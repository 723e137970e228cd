"""Real clients pull an image."""

import shutil
import subprocess
import time
from functools import partial
from pathlib import Path

from bench import content
from bench.dockerd import Docker, dockerd
from bench.errors import BenchError
from bench.gate import REPOSITORY, gate
from bench.peers import DIRECT, docker_registry, tool
from bench.plan import Plan
from bench.processes import Server
from bench.report import Goal, Result
from bench.turns import Candidate, Sample, in_turns, with_cpu

_LAYERS = 5
_GATE = "imagegate"


def copies(plan: Plan) -> list[Result]:
    """`skopeo copy` into a folder, from the upstream and from the gate in front of it."""
    folder = plan.folder / "clients"
    layer_bytes = plan.scaled(100) << 20
    with (
        docker_registry(folder / "registry", plan.port(0)) as direct,
        gate(folder / "gate", plan.port(1), direct) as running,
    ):
        image = content.image([content.layer(layer_bytes) for _ in range(_LAYERS)])
        running.push(image, image.digest)
        name = f"{REPOSITORY}@{image.digest}"
        copy = partial(_copy, name, folder / "copy")
        samples = in_turns(
            [
                Candidate(DIRECT, lambda: copy(direct, "")),
                Candidate(_GATE, lambda: copy(running.server, f"bench:{running.operator}")),
            ],
            plan.rounds,
        )
    title = f"skopeo copy, {_LAYERS} layers of {layer_bytes >> 20} MiB"
    return [Result(title, "s", samples, "s", (Goal(_GATE, DIRECT, 1.1),), less_is_better=True)]


def docker_pulls(plan: Plan) -> list[Result]:
    """`docker pull`, which unpacks what it gets, from the upstream and from the gate in front of it."""
    folder = plan.folder / "docker"
    layer_bytes = plan.scaled(100) << 20
    with (
        docker_registry(folder / "registry", plan.port(0)) as direct,
        gate(folder / "gate", plan.port(1), direct) as running,
        dockerd(folder / "dockerd") as docker,
    ):
        image = content.image([content.layer(layer_bytes) for _ in range(_LAYERS)])
        running.push(image, image.digest)
        docker.log_in(running.server.port, "bench", running.operator)
        pull = partial(_pull, docker, f"{REPOSITORY}@{image.digest}")
        samples = in_turns(
            [Candidate(DIRECT, lambda: pull(direct)), Candidate(_GATE, lambda: pull(running.server))], plan.rounds
        )
    title = f"docker pull, {_LAYERS} layers of {layer_bytes >> 20} MiB"
    return [Result(title, "s", samples, "s", (Goal(_GATE, DIRECT, 1.1),), less_is_better=True)]


def _pull(docker: Docker, name: str, server: Server) -> Sample:
    reference = f"127.0.0.1:{server.port}/{name}"

    def measure() -> tuple[float, float, dict[str, float]]:
        began = time.perf_counter()
        docker.run("pull", "--quiet", reference)
        return time.perf_counter() - began, 1, {}

    measured = with_cpu(server, measure)
    docker.run("rmi", "--force", reference)  # what it holds already would not be fetched
    return measured


def _copy(name: str, target: Path, server: Server, login: str) -> Sample:
    shutil.rmtree(target, ignore_errors=True)
    command = [tool("skopeo", "skopeo"), "--insecure-policy", "copy", "--src-tls-verify=false"]
    command += ["--src-creds", login] if login else ["--src-no-creds"]
    command += [f"docker://127.0.0.1:{server.port}/{name}", f"dir:{target}"]

    def measure() -> tuple[float, float, dict[str, float]]:
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"skopeo could not copy from {server.name}: {done.stderr[-500:]}")
        return time.perf_counter() - began, 1, {}

    return with_cpu(server, measure)
