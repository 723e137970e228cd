"""The gate's own keys: made at first use, kept in the database, the same for every replica."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from proxy.clock import Clock
from storage import signing_keys
from storage.database import Database
from storage.locks import serialise
from storage.signing_keys import SigningKey

TOKENS = "tokens"
UPLOADS = "uploads"
CONSOLE = "console"
_RELOAD_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Keys:
    newest: str
    private: Ed25519PrivateKey
    public: dict[str, Ed25519PublicKey]


class TokenKeys:
    """The keys bearer tokens are signed with: the newest signs, each of them verifies."""

    def __init__(self, database: Database, keys: _Keys, monotonic: Callable[[], float]) -> None:
        self._database = database
        self._keys = keys
        self._monotonic = monotonic
        self._loaded_at = monotonic()
        self._reloading = asyncio.Lock()

    @classmethod
    async def load(cls, database: Database, clock: Clock, monotonic: Callable[[], float]) -> Self:
        """Read the keys, and make the first one if there is none."""
        found = await _load_or_make(database, TOKENS, _new_private_key, clock)
        return cls(database, _keys(found), monotonic)

    @property
    def signing(self) -> tuple[str, Ed25519PrivateKey]:
        """The newest key and its id."""
        return self._keys.newest, self._keys.private

    async def public(self, key_id: str) -> Ed25519PublicKey | None:
        """One of our own keys by its id.

        Another replica may have made a key since: the database is asked again, at most every ten seconds
        however many unknown ids arrive, and the keys that are known stay (threat 5).
        """
        if key_id not in self._keys.public:
            async with self._reloading:
                if self._monotonic() - self._loaded_at >= _RELOAD_SECONDS:
                    self._loaded_at = self._monotonic()
                    async with self._database.snapshot() as tx:
                        self._keys = _keys(await signing_keys.of(tx, TOKENS))
        return self._keys.public.get(key_id)


async def load_cipher(database: Database, purpose: str, clock: Clock) -> MultiFernet:
    """What seals for one purpose (`UPLOADS`, `CONSOLE`): the newest key seals, each of them opens."""
    found = await _load_or_make(database, purpose, Fernet.generate_key, clock)
    return MultiFernet([Fernet(key.secret) for key in found])


async def _load_or_make(
    database: Database, purpose: str, make: Callable[[], bytes], clock: Clock
) -> tuple[SigningKey, ...]:
    async with database.transaction() as tx:
        await serialise(tx, "signing keys")  # two replicas that start together must end up with the same keys
        if not await signing_keys.of(tx, purpose):
            await signing_keys.add(tx, SigningKey(secrets.token_hex(8), purpose, make(), clock()))
        return await signing_keys.of(tx, purpose)


def _new_private_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes_raw()


def _keys(found: tuple[SigningKey, ...]) -> _Keys:
    private = {key.id: Ed25519PrivateKey.from_private_bytes(key.secret) for key in found}
    newest = found[0].id
    return _Keys(newest, private[newest], {name: key.public_key() for name, key in private.items()})
