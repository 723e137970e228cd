"""Bearer tokens: only what this gate signed, for itself, now."""

import base64
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from proxy.identity.jwt import ALGORITHM, LEEWAY, BearerTokens, TokenRefusedError
from proxy.identity.keys import TOKENS, TokenKeys
from proxy.identity.principal import Action, Scope
from proxy.identity.scopes import Access
from storage import signing_keys
from storage.database import Database
from storage.signing_keys import SigningKey
from tests.proxy.face import START, Time

ACCESS = Access((Scope("team/app", frozenset({Action.PULL})),), catalog=True)
Forge = Callable[..., str]


@pytest.fixture
async def keys(database: Database, time: Time) -> TokenKeys:
    return await TokenKeys.load(database, time.now, time.monotonic)


@pytest.fixture
def bearer(keys: TokenKeys, time: Time) -> BearerTokens:
    return BearerTokens(keys, issuer="imagegate", audience="gate", lifetime=300, clock=time.now)


@pytest.fixture
def forge(keys: TokenKeys) -> Forge:
    """Sign claims with the gate's own key; None leaves a claim out."""
    key_id, key = keys.signing
    now = int(START.timestamp())
    good: dict[str, Any] = {
        "iss": "imagegate",
        "aud": "gate",
        "sub": "g1",
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "jti": "1",
        "access": [],
    }

    def sign(header: dict[str, Any] | None = None, **changes: Any) -> str:
        claims = {name: value for name, value in {**good, **changes}.items() if value is not None}
        return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": key_id, **(header or {})})

    return sign


@pytest.fixture
def colleague(keys: TokenKeys, time: Time) -> BearerTokens:
    """Another process with the same keys."""
    return BearerTokens(keys, issuer="imagegate", audience="gate", lifetime=300, clock=time.now)


async def test_a_token_says_again_what_it_was_issued_for(bearer: BearerTokens, colleague: BearerTokens) -> None:
    issued = bearer.issue("g1", ACCESS)
    assert bearer.recall(issued.text) == await bearer.verify(issued.text) == await colleague.verify(issued.text)
    claims = await bearer.verify(issued.text)
    assert (claims.grant, claims.access) == ("g1", ACCESS)
    assert (issued.lifetime, issued.issued_at) == (300, START)


async def test_a_token_that_is_issued_is_known_here_only(bearer: BearerTokens, colleague: BearerTokens) -> None:
    issued = bearer.issue("g1", ACCESS)
    assert colleague.recall(issued.text) is None
    assert bearer.recall(f"{issued.text}x") is None


async def test_a_token_too_long_to_be_read_is_not_remembered_either(bearer: BearerTokens) -> None:
    scopes = tuple(Scope(f"team/{number}{'a' * 200}", frozenset({Action.PULL})) for number in range(100))
    issued = bearer.issue("g1", Access(scopes))
    with pytest.raises(TokenRefusedError, match="longer"):
        await bearer.verify(issued.text)


async def test_the_forger_of_these_tests_makes_good_tokens(bearer: BearerTokens, forge: Forge) -> None:
    assert (await bearer.verify(forge())).grant == "g1"


async def test_t1_unsigned_tokens_are_refused(bearer: BearerTokens) -> None:
    issued = bearer.issue("g1", ACCESS).text
    header = json.loads(base64.urlsafe_b64decode(issued.split(".")[0] + "=="))
    unsigned = jwt.utils.base64url_encode(json.dumps({**header, "alg": "none"}).encode()).decode()
    with pytest.raises(TokenRefusedError):
        await bearer.verify(f"{unsigned}.{issued.split('.')[1]}.")


async def test_t1_hs256_with_the_public_key_as_secret_is_refused(bearer: BearerTokens, keys: TokenKeys) -> None:
    key_id, key = keys.signing
    secret = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    now = int(START.timestamp())
    claims = {"iss": "imagegate", "aud": "gate", "sub": "g1", "iat": now, "nbf": now, "exp": now + 300, "jti": "1"}
    forged = jwt.encode({**claims, "access": []}, secret, algorithm="HS256", headers={"kid": key_id})
    with pytest.raises(TokenRefusedError):
        await bearer.verify(forged)


@pytest.mark.parametrize("claim", ["exp", "aud", "iss", "nbf", "iat", "jti", "sub", "access"])
async def test_t2_every_claim_is_required(bearer: BearerTokens, forge: Forge, claim: str) -> None:
    with pytest.raises(TokenRefusedError):
        await bearer.verify(forge(**{claim: None}))


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c"])
async def test_t3_keys_in_the_header_are_refused(bearer: BearerTokens, forge: Forge, member: str) -> None:
    own = Ed25519PrivateKey.generate().public_key()
    offered = jwt.algorithms.OKPAlgorithm.to_jwk(own, as_dict=True) if member == "jwk" else "https://evil.example"
    with pytest.raises(TokenRefusedError):
        await bearer.verify(forge({member: offered}))


async def test_t3_a_stranger_signature_under_a_trusted_kid_is_refused(bearer: BearerTokens, keys: TokenKeys) -> None:
    stranger = Ed25519PrivateKey.generate()
    now = int(START.timestamp())
    claims = {"iss": "imagegate", "aud": "gate", "sub": "g1", "iat": now, "nbf": now, "exp": now + 300, "jti": "1"}
    forged = jwt.encode({**claims, "access": []}, stranger, algorithm=ALGORITHM, headers={"kid": keys.signing[0]})
    with pytest.raises(TokenRefusedError):
        await bearer.verify(forged)


@pytest.mark.parametrize("critical", [["b64"], ["exp"], []])
async def test_t4_critical_extensions_are_refused(bearer: BearerTokens, forge: Forge, critical: list[str]) -> None:
    with pytest.raises(TokenRefusedError):
        await bearer.verify(forge({"crit": critical}))


async def test_t5_unknown_key_ids_ask_the_database_once_in_ten_seconds(
    database: Database, keys: TokenKeys, bearer: BearerTokens, time: Time
) -> None:
    other = Ed25519PrivateKey.generate()
    async with database.transaction() as tx:
        await signing_keys.add(tx, SigningKey("other", TOKENS, other.private_bytes_raw(), time.now()))
    assert await keys.public("other") is None
    time.passed = 10
    assert await keys.public("other") is not None
    assert await keys.public(keys.signing[0]) is not None


@pytest.mark.parametrize("changes", [{"aud": "other"}, {"iss": "other"}, {"aud": ["other"]}])
async def test_t6_tokens_for_and_from_others_are_refused(
    bearer: BearerTokens, forge: Forge, changes: dict[str, Any]
) -> None:
    with pytest.raises(TokenRefusedError):
        await bearer.verify(forge(**changes))


async def test_t6_leeway_is_at_most_a_minute_and_checked_on_every_use(bearer: BearerTokens, time: Time) -> None:
    issued = bearer.issue("g1", ACCESS)
    assert LEEWAY.total_seconds() <= 60
    time.passed = 300 + LEEWAY.total_seconds() - 1
    await bearer.verify(issued.text)
    time.passed += 1
    with pytest.raises(TokenRefusedError) as refused:
        await bearer.verify(issued.text)
    assert refused.value.expired


async def test_t6_a_token_of_the_future_is_refused(bearer: BearerTokens, time: Time) -> None:
    issued = bearer.issue("g1", ACCESS)
    time.passed = -LEEWAY.total_seconds() - 1
    with pytest.raises(TokenRefusedError):
        await bearer.verify(issued.text)


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", [True, "1767225600", 1767225600.5])
async def test_t2_times_are_whole_numbers(bearer: BearerTokens, forge: Forge, claim: str, value: Any) -> None:
    with pytest.raises(TokenRefusedError):
        await bearer.verify(forge(**{claim: value}))


@pytest.mark.parametrize("access", ["x", [1], [{}], [{"type": "repository", "name": "a", "actions": ["fly"]}]])
async def test_an_access_claim_of_another_form_is_refused(bearer: BearerTokens, forge: Forge, access: Any) -> None:
    with pytest.raises(TokenRefusedError):
        await bearer.verify(forge(access=access))


@given(text=st.one_of(st.text(max_size=80), st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]*")))
async def test_anything_else_is_refused_as_a_token(text: str) -> None:
    bearer = BearerTokens(_NoKeys(), issuer="i", audience="a", lifetime=60, clock=lambda: START)
    with pytest.raises(TokenRefusedError):
        await bearer.verify(text)


async def test_a_token_of_excessive_length_is_refused_unread(bearer: BearerTokens) -> None:
    with pytest.raises(TokenRefusedError, match="longer"):
        await bearer.verify("a" * 20_000)


async def test_keys_are_made_once_and_found_again(database: Database, keys: TokenKeys, time: Time) -> None:
    again = await TokenKeys.load(database, time.now, time.monotonic)
    assert again.signing[0] == keys.signing[0]


class _NoKeys(TokenKeys):
    """A gate without a single key."""

    def __init__(self) -> None:
        pass

    async def public(self, key_id: str) -> None:
        return None
