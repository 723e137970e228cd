"""Targets under atheris, each in a process of its own: `python -m tests.fuzz.runner`, jobs on standard input.

Everything below `scanning` is instrumented as it is imported, so nothing may have imported it before. That takes as
long as many targets are fuzzed for, so it is done once, and the processes are forked from what has done it.

A job is a line of JSON: {"target": ..., "options": [libFuzzer's], "log": a file}. Its end is told in a line: the target
and its exit status.
"""

import json
import os
import sys
from collections.abc import Callable

import atheris

from tests.fuzz.jobs import Job


def main() -> None:
    """Do every job, as many at a time as there are processors."""
    with atheris.instrument_imports(include=["scanning", "config.versions"], enable_loader_override=False):
        from tests.fuzz.targets import TARGETS
    jobs = [Job(**json.loads(line)) for line in sys.stdin]
    running: dict[int, Job] = {}
    while jobs or running:
        while jobs and len(running) < (os.cpu_count() or 1):
            job = jobs.pop(0)
            process = os.fork()
            if not process:
                _fuzz(job, TARGETS[job.target])
            running[process] = job
        process, status = os.wait()
        ended = running.pop(process)
        print(ended.target, os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201  # this is a command


def _fuzz(job: Job, target: Callable[[bytes], None]) -> None:
    log = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for output in (1, 2):
        os.dup2(log, output)
    atheris.Setup([sys.argv[0], *job.options], target)
    atheris.Fuzz()
    os._exit(0)


if __name__ == "__main__":
    main()
