"""Fuzzes every target, or those that are named, for so many seconds together: `python -m tests.fuzz --seconds 70`.

What is tried depends on the code, the corpus and the seed, which is told: the same seed tries much the same again, as
far as time allows.

Ends with status 1 where something was found: libFuzzer's report is printed, and the input lies in the folder it names.
"""

import argparse
import importlib.util
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from tests.fuzz import corpus, forge
from tests.fuzz.jobs import Job
from tests.fuzz.targets import FORGED, TARGETS

_SECONDS_FOR_ONE = 30
"""What is made to be read for ever takes longer than this; nothing else of this size does."""
_MEGABYTES = 2048
_MOST_KEPT, _LARGEST_KEPT = 30, 1024
_RUNNER = (sys.executable, "-m", "tests.fuzz.runner")


def fuzz(targets: Iterable[str], seconds: int, seed: int, folder: Path) -> list[str]:
    """Fuzz targets, each for so many seconds; gives libFuzzer's report of each in which something was found."""
    jobs = [_job(target, seconds, seed, folder) for target in targets]
    with (
        (folder / "runner.log").open("w") as log,
        subprocess.Popen(
            _RUNNER, env=os.environ | {"PYTHONHASHSEED": "0"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
        ) as runner,
    ):  # fmt: skip
        told, _ = runner.communicate("".join(f"{json.dumps(asdict(job))}\n" for job in jobs))
    ended = dict(line.split() for line in told.splitlines())
    return [report for job in jobs if (report := _report(job, ended.get(job.target)))]


def _job(target: str, seconds: int, seed: int, folder: Path) -> Job:
    inputs, found = folder / target, folder / "found"
    for made in (inputs, found):
        made.mkdir(exist_ok=True)
    for number, content in enumerate(corpus.read(target)):
        (inputs / f"{number:04}").write_bytes(content)
    # What is changed by few bytes is not to be fed one byte for most of the time, as what begins with nothing is.
    lengths = (
        (f"-max_len={forge.MAX_BYTES}", "-len_control=0") if target in FORGED else (f"-max_len={corpus.MAX_BYTES}",)
    )
    options = (
        str(inputs), f"-max_total_time={seconds}", f"-seed={seed}", f"-timeout={_SECONDS_FOR_ONE}",
        f"-rss_limit_mb={_MEGABYTES}", *lengths, f"-artifact_prefix={found}/{target}-", "-print_final_stats=1",
    )  # fmt: skip
    return Job(target, options, str(folder / f"{target}.log"))


def _report(job: Job, status: str | None) -> str:
    """What is to be told of a job that ended so, None if it never did; "" if nothing was found."""
    log = Path(job.log)
    said = log.read_text(errors="replace") if log.exists() else ""
    if status != "0":
        return f"{job.target} ended with status {status}\n{said}"
    done = [line for line in said.splitlines() if line.startswith(("Done", "stat::number_of_executed_units"))]
    print(f"{job.target}: {' '.join(done)}", flush=True)  # noqa: T201  # this is a command
    return ""


def keep(target: str, folder: Path) -> None:
    """Put some of what the run has kept, since each reached something new, beside what is in the corpus already."""
    reached = sorted((file.read_bytes() for file in (folder / target).iterdir()), key=len)
    small = [content for content in reached if len(content) <= _LARGEST_KEPT]
    corpus.write(target, [*corpus.read(target), *small[:: -(-len(small) // _MOST_KEPT) or 1]])


def main() -> int:
    """Run; returns the exit status."""
    options = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    options.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all if none is named")
    options.add_argument("--seconds", type=int, default=70, help="processor time for all of them together")
    options.add_argument("--seed", type=int, default=0, help="where the inputs come from; one is drawn if it is 0")
    options.add_argument("--keep", action="store_true", help="put some of what was reached into tests/fuzz/corpus")
    chosen = options.parse_args()
    if unknown := set(chosen.targets) - set(TARGETS):
        options.error(f"there is no target {', '.join(sorted(unknown))}")
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: it has wheels for Linux on x86-64 only", file=sys.stderr)  # noqa: T201
        return 2
    targets = tuple(dict.fromkeys(chosen.targets)) or tuple(TARGETS)
    folder = Path(tempfile.mkdtemp(prefix="imagegate-fuzz-"))
    seed = chosen.seed or secrets.randbelow(1 << 31) + 1
    seconds = max(1, chosen.seconds // len(targets))
    reports = fuzz(targets, seconds, seed, folder)
    if chosen.keep:
        for target in targets:
            keep(target, folder)
    for report in reports:
        print(report)  # noqa: T201
    print(f"{len(targets)} targets, {seconds} seconds each, seed {seed}; what was found lies in {folder}")  # noqa: T201
    return 1 if reports else 0


if __name__ == "__main__":
    sys.exit(main())
