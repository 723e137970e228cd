"""The supervisor, with processes that only say that they serve."""

import subprocess
import sys
from pathlib import Path

_PROGRAM = """
import errno, os, signal, sys
from pathlib import Path
from config.settings import Settings
from proxy.serving import supervisor
from proxy.serving.board import Board, Notice

marks = Path(sys.argv[1])

def work(seat, settings, inherited):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    first = not (marks / str(seat.number)).exists()
    (marks / str(seat.number)).touch()
    Board(inherited.board).post(seat, Notice(True, ""))
    if seat.number == 0 and first:
        return 3
    if seat.number == 0:
        os.kill(os.getppid(), signal.SIGTERM)
    signal.sigwait([signal.SIGTERM])
    return 0

def clear(self, seat):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

supervisor.work = work
Board.clear = clear
supervisor.supervise(Settings(listen={"workers": 2}), ())
print("ended in good order")
"""


def run(program: str, folder: Path) -> tuple[str, str]:
    """What it says on standard output, and all that it says."""
    command = [sys.executable, "-c", program, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return done.stdout, done.stdout + done.stderr


def test_a_process_is_replaced_even_if_the_disk_takes_nothing(tmp_path: Path) -> None:
    told, said = run(_PROGRAM, tmp_path)
    assert told.endswith("ended in good order\n"), said
    assert "what a process had counted that has ended is lost" in said
    assert "a serving process has ended, and is replaced" in said
    assert "status=3" in said


_TEMPLATE = """
import os, select, signal, sys
from pathlib import Path
from config.settings import Settings
from proxy.inspection.forking import ANSWER, READY
from proxy.serving import supervisor
from proxy.serving.board import Board, Notice

mark = Path(sys.argv[1]) / "first"

def work(seat, settings, inherited):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    if seat.number == 1:
        signal.sigwait([signal.SIGTERM])
        return 0
    Board(inherited.board).post(seat, Notice(True, ""))
    template = inherited.template
    template.control.settimeout(100)
    (said,) = ANSWER.unpack(template.control.recv(ANSWER.size))
    if not mark.exists():
        mark.touch()
        signal.pidfd_send_signal(template.process, signal.SIGKILL)
        select.select([template.process], [], [])
        return 3
    print("the next template is ready:", said == READY, flush=True)
    os.kill(os.getppid(), signal.SIGTERM)
    signal.sigwait([signal.SIGTERM])
    return 0

supervisor.work = work
supervisor.supervise(Settings(listen={"workers": 2}), ())
print("ended in good order")
"""


def test_a_template_that_ends_is_replaced_for_processes_that_come_after_it(tmp_path: Path) -> None:
    told, said = run(_TEMPLATE, tmp_path)
    assert "the template of inspection workers has ended" in said
    assert "the next template is ready: True\n" in told, said
    assert told.endswith("ended in good order\n"), said
