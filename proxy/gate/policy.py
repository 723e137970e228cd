"""The policy in force, read again when its file changes; a broken new policy is refused and the old one stays."""

import asyncio
import stat
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import structlog

from config.defaults import Profile, profile_text
from config.errors import ConfigurationError, ImagegateError
from config.patterns import RepositoryPattern
from config.policy import Policy, Waiver
from config.policy_file import load_policy
from config.yaml_source import read_bytes_of_file, read_text_file
from proxy.clock import utc_now
from scanning.oci.digest import Digest
from storage import durable

ReadExceptions = Callable[[], Awaitable[tuple[Waiver, ...]]]
_MOST_REMEMBERED = 10_000
_log = structlog.get_logger(__name__)


async def _none() -> tuple[Waiver, ...]:
    return ()


class PolicyFileError(ImagegateError):
    """The policy file cannot be written."""


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """A policy, its canonical text and the digest of that text. Made by `in_force`."""

    policy: Policy
    text: bytes
    digest: Digest
    _without_waivers: Digest
    _waivers: Sequence[tuple[Waiver, Digest]]
    """Of all that hold in the same repositories the first, and the digest of all of them."""
    _here: OrderedDict[str, Digest] = field(default_factory=OrderedDict, init=False, repr=False, compare=False)

    def digest_in(self, repository: str) -> Digest:
        """The digest of all of it that can concern `repository`: it stays as it is while exceptions come and go that
        hold elsewhere. It is asked on the event loop, so nothing is written out for it.
        """
        if not self._waivers:
            return self.digest
        found = self._here.get(repository)
        if found is None:
            found = self._here[repository] = self._made_for(repository)
            if len(self._here) > _MOST_REMEMBERED:
                self._here.popitem(last=False)
        else:
            self._here.move_to_end(repository)
        return found

    def _made_for(self, repository: str) -> Digest:
        here = [digest for waiver, digest in self._waivers if waiver.holds_in(repository)]
        return _digest_of(self._without_waivers, *here) if here else self._without_waivers


def in_force(policy: Policy) -> PolicyInForce:
    """Name a policy by the digest of its canonical form: comments and layout of the file do not matter.

    It takes some milliseconds for thousands of exceptions.
    """
    text = policy.model_dump_json().encode()
    digest = Digest.of(text)
    if not policy.waivers:
        return PolicyInForce(policy, text, digest, digest, ())
    by_patterns: dict[tuple[RepositoryPattern, ...], list[Waiver]] = {}
    for waiver in policy.waivers:
        by_patterns.setdefault(waiver.repositories, []).append(waiver)
    waivers = [(some[0], _digest_of(*(waiver.model_dump_json() for waiver in some))) for some in by_patterns.values()]
    return PolicyInForce(policy, text, digest, Digest.of(policy.without_waivers().model_dump_json().encode()), waivers)


def _digest_of(*lines: object) -> Digest:
    return Digest.of("\n".join(map(str, lines)).encode())


@dataclass(frozen=True, slots=True)
class WrittenPolicy:
    """A policy as it stands in its file, comments and all."""

    text: str
    policy: Policy
    read_at: datetime

    @property
    def digest(self) -> Digest:
        """The name of this very text: what an admin says to have changed."""
        return Digest.of(self.text.encode())


@dataclass(frozen=True, slots=True)
class PolicyOnDisk:
    """What the policy file holds at this moment, be it a policy or not: what somebody changes, and mends.

    `text` is that of the policy in force where the file is gone or holds no text. `problem` says why the file cannot be
    in force, "" if it can. `written` is the policy in it, or else the one that was read last.
    """

    text: str
    digest: Digest
    problem: str
    written: WrittenPolicy


def digest_on_disk(path: Path) -> Digest:
    """The digest of what is in a policy file, be it a policy or not; one that cannot be read is as if it were empty."""
    try:
        return Digest.of(read_bytes_of_file(path))
    except ConfigurationError:
        return Digest.of(b"")


def read_policy(path: Path) -> WrittenPolicy:
    """Read a policy file. Raises `ConfigurationError`."""
    return written_policy(read_text_file(path), str(path))


def written_policy(text: str, source: str = "policy") -> WrittenPolicy:
    """Read a policy; `source` names it in problems. Raises `ConfigurationError`."""
    return WrittenPolicy(text, load_policy(text, source), utc_now())


def write_policy(path: Path, text: str) -> None:
    """Write the text of a policy over the file at `path`, whole or not at all; who may read it stays as it was.

    A link to a file goes on leading to it. Raises `PolicyFileError`.
    """
    target = path.resolve()
    try:
        with durable.temporary(target.parent) as new:
            new.write_bytes(text.encode())
            if target.exists():
                new.chmod(stat.S_IMODE(target.stat().st_mode))
            durable.publish(new, target)
    except OSError as error:
        raise PolicyFileError(
            f"the policy cannot be written to {path}: {error.strerror or error}; where it is mounted for reading or"
            " comes from elsewhere, change it there"
        ) from error


def write_profile(profile: Profile, path: Path, *, replace: bool = False) -> None:
    """Write a shipped policy to `path`, whole or not at all. Raises `PolicyFileError`."""
    if path.exists() and not replace:
        raise PolicyFileError(f"{path} is there already; use --force to replace it, or --output for another file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.write(path, profile_text(profile).encode())
    except OSError as error:
        raise PolicyFileError(f"the policy cannot be written to {path}: {error.strerror or error}") from error


class PolicyFile:
    """Keeps the policy of one file in force, with the `exceptions` that admins made beside it.

    `written` is its text, and `problem` says why the newest is not in force, "" if it is.
    """

    def __init__(self, path: Path) -> None:
        """Read the file. Raises `ConfigurationError`: there is no gate without a policy."""
        self.path = path
        self._seen = self._stamp()
        self.written = read_policy(path)
        self.current = in_force(self.written.policy)
        self.problem = ""
        self.exceptions: tuple[Waiver, ...] = ()
        self._read_exceptions: ReadExceptions = _none
        self._made_of: tuple[WrittenPolicy, tuple[Waiver, ...]] = self.written, ()
        self._sent = ThreadPoolExecutor(1, "sent-policy")

    async def take(self, read_exceptions: ReadExceptions) -> None:
        """Count what `read_exceptions` gives as a part of the policy from now on, and look there for changes as well.

        Raises as it does.
        """
        self.exceptions = await read_exceptions()
        self._read_exceptions = read_exceptions
        await self._put_together()

    async def _put_together(self) -> bool:
        """Put what was read last in force; whether that is another policy."""
        made_of = self.written, self.exceptions
        new = await asyncio.to_thread(in_force, self.written.policy.with_waivers(self.exceptions))
        self._made_of = made_of
        if new.digest == self.current.digest:
            return False
        self.current = new
        return True

    async def read_sent(self, text: str) -> WrittenPolicy:
        """Read a policy that somebody sent: one after the other, since each may take a processor for seconds, and many
        at a time would take every thread. Raises `ConfigurationError`.
        """
        return await asyncio.get_running_loop().run_in_executor(self._sent, written_policy, text)

    async def on_disk(self) -> PolicyOnDisk:
        """What the file holds now, whether or not it was taken up."""
        return await asyncio.get_running_loop().run_in_executor(self._sent, _on_disk, self.path, self.written)

    async def watch(self, changed: Callable[[PolicyInForce], Awaitable[None]], seconds: float = 1.0) -> None:
        """Look at the file every `seconds` for ever; call `changed` after a new policy came into force."""
        while True:
            await asyncio.sleep(seconds)
            await self.reload_if_changed(changed)

    async def reload_if_changed(self, changed: Callable[[PolicyInForce], Awaitable[None]]) -> None:
        """Read the file if it differs from what was last seen, and the exceptions on record."""
        await self._reread_file()
        try:
            self.exceptions = await self._read_exceptions()
        except ImagegateError as error:
            _log.error("the exceptions in force stay", problem=str(error))
        if self._made_of == (self.written, self.exceptions) or not await self._put_together():
            return
        _log.info("policy in force", policy=str(self.current.digest), exceptions=len(self.exceptions))
        try:
            await changed(self.current)
        except ImagegateError as error:
            _log.error("after the policy changed", problem=str(error))

    async def _reread_file(self) -> None:
        stamp = await asyncio.to_thread(self._stamp)
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self.written = await asyncio.to_thread(read_policy, self.path)
            self.problem = ""
        except ConfigurationError as error:
            self.problem = str(error)
            _log.error("policy refused, the old one stays in force", problem=self.problem)

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


def _on_disk(path: Path, known: WrittenPolicy) -> PolicyOnDisk:
    text = known.text
    try:
        text = read_text_file(path)
        written = known if text == known.text else written_policy(text, str(path))
    except ConfigurationError as error:
        return PolicyOnDisk(text, digest_on_disk(path), str(error), known)
    return PolicyOnDisk(text, written.digest, "", written)
