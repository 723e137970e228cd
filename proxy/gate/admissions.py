"""What was found admitted a moment ago, so that a busy digest costs no question to the database or the upstream.

Nothing in here is older than five seconds, as nothing is that is known of a grant: so long may another process's new
verdict or deletion go unseen. What this process judges or deletes is forgotten at once, and whoever recalls a verdict
measures it by the policy, the advisories and the time of now, as if it had just been read.

What is asked for all the time is looked up again before it is that old, so that nobody has to wait for that.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from proxy.gate.decision import Decision
from proxy.gate.judgement import Judgement
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from scanning.verdict import Verdict

MAX_AGE_SECONDS = 5.0
RENEW_SECONDS = 3.0
"""From this age on, what is asked for is to be looked up again."""
_PAUSE_SECONDS = 1.0
"""How long nobody looks it up a second time."""
_MOST_MANIFESTS = 1024
_MOST_BLOBS = 16_384
_LARGEST_BODY = 64 * 1024
_Key = tuple[Repository, Digest]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Moment:
    """Before something is looked up: when that was, and how often something had been forgotten until then."""

    forgotten: int
    at: float


class Admissions:
    """The memory of one process. `monotonic` counts seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._manifests = _Recent[Decision](_MOST_MANIFESTS, monotonic)
        self._blobs = _Recent[Verdict](_MOST_BLOBS, monotonic)
        self._monotonic = monotonic
        self._forgotten = 0

    @property
    def moment(self) -> Moment:
        """To be noted before something is looked up that is to be remembered."""
        return Moment(self._forgotten, self._monotonic())

    def manifest(self, repository: Repository, digest: Digest) -> Decision | None:
        """A manifest that the upstream has, and the verdict that admitted it."""
        return self._manifests.get((repository, digest))

    def blob(self, repository: Repository, digest: Digest) -> Verdict | None:
        """A verdict that admitted a manifest which refers to the blob."""
        return self._blobs.get((repository, digest))

    def is_to_be_renewed(self, repository: Repository, digest: Digest) -> bool:
        """Whether the caller is to look a manifest up again, and to remember or forget it then."""
        return self._manifests.claim((repository, digest))

    def remember_manifest(self, repository: Repository, admitted: Decision, moment: Moment) -> None:
        """Remember a manifest that was looked up since `moment`, unless something was forgotten meanwhile."""
        if moment.forgotten == self._forgotten and len(admitted.stored.body) <= _LARGEST_BODY:
            self._manifests.put((repository, admitted.stored.digest), admitted, moment.at)

    def remember_blob(self, repository: Repository, digest: Digest, verdict: Verdict, moment: Moment) -> None:
        """Remember why a blob may be read."""
        if moment.forgotten == self._forgotten:
            self._blobs.put((repository, digest), verdict, moment.at)

    def forget(self, repository: Repository, *digests: Digest) -> None:
        """Manifests have other verdicts, or are gone. Call it once that is recorded, and once for all of them."""
        self._forgotten += 1
        gone = frozenset(digests)
        for digest in gone:
            self._manifests.drop((repository, digest))
        self._blobs.drop_where(lambda key, verdict: verdict.digest in gone and key[0] == repository)

    def forget_judged(self, repository: Repository, judgement: Judgement) -> None:
        """Forget a manifest that was judged again, and what it lists."""
        self.forget(repository, *_judged(judgement))


def _judged(judgement: Judgement) -> Iterator[Digest]:
    for child in judgement.children:
        yield from _judged(child)
    yield judgement.manifest.digest


class _Recent(Generic[_T]):
    """The `most` newest values, none older than `MAX_AGE_SECONDS`."""

    def __init__(self, most: int, monotonic: Callable[[], float]) -> None:
        self._most = most
        self._monotonic = monotonic
        self._values: OrderedDict[_Key, _Known[_T]] = OrderedDict()

    def get(self, key: _Key) -> _T | None:
        known = self._values.get(key)
        if known is None:
            return None
        if self._monotonic() - known.at >= MAX_AGE_SECONDS:
            del self._values[key]
            return None
        return known.value

    def claim(self, key: _Key) -> bool:
        """Whether a value is due to be looked up again; once for each `_PAUSE_SECONDS`."""
        known = self._values.get(key)
        if known is None:
            return False
        now = self._monotonic()
        if now - known.at < RENEW_SECONDS or now - known.claimed_at < _PAUSE_SECONDS:
            return False
        known.claimed_at = now
        return True

    def put(self, key: _Key, value: _T, at: float) -> None:
        """`at` is when it was looked up, at the earliest."""
        self._values[key] = _Known(value, at, at)
        self._values.move_to_end(key)
        if len(self._values) > self._most:
            self._values.popitem(last=False)

    def drop(self, key: _Key) -> None:
        self._values.pop(key, None)

    def drop_where(self, unwanted: Callable[[_Key, _T], bool]) -> None:
        for key in [key for key, known in self._values.items() if unwanted(key, known.value)]:
            del self._values[key]


@dataclass(slots=True)
class _Known(Generic[_T]):
    value: _T
    at: float
    claimed_at: float
