"""Places for uploads that several processes share."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from proxy.inspection.places import Places


@contextmanager
def places(folder: Path, count: int) -> Iterator[Places]:
    made = Places(folder / "places", count)
    try:
        yield made
    finally:
        made.close()


def test_together_they_have_no_more_than_there_are(tmp_path: Path) -> None:
    with places(tmp_path, 3) as one, places(tmp_path, 3) as other:
        held = [one.take(), other.take(), one.take()]
        assert None not in held
        assert one.take() is None
        assert other.take() is None


def test_one_may_have_all_while_the_other_needs_none(tmp_path: Path) -> None:
    with places(tmp_path, 3) as one, places(tmp_path, 3):
        assert len({one.take() for _ in range(3)} - {None}) == 3


def test_what_is_given_back_another_has(tmp_path: Path) -> None:
    with places(tmp_path, 1) as one, places(tmp_path, 1) as other:
        place = one.take()
        assert place is not None
        assert other.take() is None
        one.give_back(place)
        assert other.take() is not None
        assert one.take() is None


def test_closing_gives_all_back_once(tmp_path: Path) -> None:
    with places(tmp_path, 1) as one, places(tmp_path, 1) as other:
        place = one.take()
        assert place is not None
        one.close()
        assert other.take() is not None
        one.give_back(place)  # by whoever ends late
        assert one.take() is None


def test_a_process_that_is_killed_holds_none(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from proxy.inspection.places import Places\n"
        "places = Places(Path(sys.argv[1]), 1); print(places.take() is not None, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "places")]
    with places(tmp_path, 1) as here:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"True\n"
            assert here.take() is None
            process.kill()
        assert here.take() is not None
