"""Processes are forked where nothing is that a copy must not have."""

import subprocess
import sys
import threading

import pytest

from proxy.serving.forks import fork

_PROGRAM = """
import os, sys
from proxy.serving.forks import ended, fork
def work():
    {work}
try:
    print("before", end=" ")
    print(ended(fork(work)), end=" ")
finally:
    print("after")
"""


@pytest.mark.parametrize(
    ("work", "status", "said"),
    [
        ("return 0", 0, ""),
        ("return 7", 7, ""),
        ("raise ValueError('it went wrong')", 1, "ValueError: it went wrong"),
        ("sys.exit(0)", 1, "SystemExit: 0"),
        ("raise KeyboardInterrupt", 130, ""),
        ("os.kill(os.getpid(), 9)", -9, ""),
    ],
)
def test_work_is_done_in_a_copy_that_ends_with_it(work: str, status: int, said: str) -> None:
    done = _run(_PROGRAM.format(work=work))
    assert done.stdout == f"before {status} after\n"  # each of it once
    assert said in done.stderr
    assert bool(done.stderr) is bool(said)


def test_a_process_with_threads_is_not_copied() -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait, name="a bystander")
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="a bystander"):
            fork(lambda: 0)
    finally:
        over.set()
        thread.join()


def test_nothing_that_the_gate_loads_starts_a_thread() -> None:
    done = _run("import os, proxy.cli.serve_command; print(len(os.listdir('/proc/self/task')))")
    assert done.stdout == "1\n", done.stderr


def _run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
