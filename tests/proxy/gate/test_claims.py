"""The claims of serving processes on blobs that they read back."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.gate.claims import ReadingClaims
from scanning.oci.digest import Digest

ONE, OTHER = Digest.of(b"one"), Digest.of(b"other")

Claims = tuple[ReadingClaims, ReadingClaims]


@pytest.fixture
def claims(tmp_path: Path) -> Iterator[Claims]:
    """The claims of two processes; a lock belongs to the file as it was opened, so two are enough to be two."""
    made = ReadingClaims(tmp_path / "claims"), ReadingClaims(tmp_path / "claims")
    yield made
    for each in made:
        each.close()


def test_a_claim_holds_until_it_is_given_back(claims: Claims) -> None:
    one, other = claims
    with one.taken(ONE) as is_ours:
        assert is_ours
        assert one.is_held(ONE)
        assert other.is_held(ONE)
        assert not other.is_held(OTHER)
        with other.taken(ONE) as is_theirs, other.taken(OTHER) as is_free, one.taken(ONE) as again:
            assert (is_theirs, is_free, again) == (False, True, False)
    assert not one.is_held(ONE)
    with other.taken(ONE) as is_theirs:
        assert is_theirs


def test_without_others_a_blob_is_claimed_once(tmp_path: Path) -> None:
    alone = ReadingClaims()
    with alone.taken(ONE) as first, alone.taken(ONE) as second:
        assert (first, second) == (True, False)
        assert alone.is_held(ONE)
    assert not alone.is_held(ONE)


def test_a_process_that_is_killed_has_no_claim(claims: Claims, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom proxy.gate.claims import ReadingClaims\n"
        "from scanning.oci.digest import Digest\n"
        "with ReadingClaims(Path(sys.argv[1])).taken(Digest.parse(sys.argv[2])) as taken:\n"
        "    print(taken, flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "claims"), str(ONE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"True\n"
        assert claims[0].is_held(ONE)
        process.kill()
    assert not claims[0].is_held(ONE)
