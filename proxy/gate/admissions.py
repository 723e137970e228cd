"""What was found admitted a moment ago, so that a busy digest costs no question to the database or the upstream.

Nothing in here is older than five seconds, as nothing is that is known of a grant: so long may another process's new
verdict or deletion go unseen. What this process judges or deletes is forgotten at once, and whoever recalls a verdict
measures it by the policy, the advisories and the time of now, as if it had just been read.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from proxy.gate.decision import Decision
from proxy.gate.judgement import Judgement
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from scanning.verdict import Verdict

MAX_AGE_SECONDS = 5.0
_MOST_MANIFESTS = 1024
_MOST_BLOBS = 16_384
_LARGEST_BODY = 64 * 1024
_Key = tuple[Repository, Digest]
_T = TypeVar("_T")


class Admissions:
    """The memory of one process. `monotonic` counts seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._manifests = _Recent[Decision](_MOST_MANIFESTS, monotonic)
        self._blobs = _Recent[Verdict](_MOST_BLOBS, monotonic)
        self._forgotten = 0

    @property
    def moment(self) -> int:
        """To be noted before something is looked up that is to be remembered."""
        return self._forgotten

    def manifest(self, repository: Repository, digest: Digest) -> Decision | None:
        """A manifest that the upstream has, and the verdict that admitted it."""
        return self._manifests.get((repository, digest))

    def blob(self, repository: Repository, digest: Digest) -> Verdict | None:
        """A verdict that admitted a manifest which refers to the blob."""
        return self._blobs.get((repository, digest))

    def remember_manifest(self, repository: Repository, admitted: Decision, moment: int) -> None:
        """Remember a manifest that was looked up since `moment`, unless something was forgotten meanwhile."""
        if moment == self._forgotten and len(admitted.stored.body) <= _LARGEST_BODY:
            self._manifests.put((repository, admitted.stored.digest), admitted)

    def remember_blob(self, repository: Repository, digest: Digest, verdict: Verdict, moment: int) -> None:
        """Remember why a blob may be read."""
        if moment == self._forgotten:
            self._blobs.put((repository, digest), verdict)

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
        self._values: OrderedDict[_Key, tuple[float, _T]] = OrderedDict()

    def get(self, key: _Key) -> _T | None:
        found = self._values.get(key)
        if found is None:
            return None
        put_at, value = found
        if self._monotonic() - put_at >= MAX_AGE_SECONDS:
            del self._values[key]
            return None
        return value

    def put(self, key: _Key, value: _T) -> None:
        self._values[key] = self._monotonic(), value
        self._values.move_to_end(key)
        if len(self._values) > self._most:
            self._values.popitem(last=False)

    def drop(self, key: _Key) -> None:
        self._values.pop(key, None)

    def drop_where(self, unwanted: Callable[[_Key, _T], bool]) -> None:
        for key in [key for key, (_, value) in self._values.items() if unwanted(key, value)]:
            del self._values[key]
