"""Secrets: what is found, what is passed over, and that nothing of them is kept."""

import base64
import json
import string
from collections.abc import Callable
from random import Random

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from scanning.facts import Secret
from scanning.files.secrets import MAX_SECRETS, find_in_file, find_in_text
from tests.scanning.files.keys import EC_KEY, KEYS

# Tokens are put together here, so that this file holds none.
_RANDOM = Random(1)  # noqa: S311 # made for tests, protects nothing
_LETTERS = string.ascii_letters + string.digits


def letters(count: int, alphabet: str = _LETTERS) -> str:
    return "".join(_RANDOM.choices(alphabet, k=count))


def kinds(text: str) -> list[str]:
    return [kind for kind, _ in find_in_text(text)]


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_private_keys(key: str) -> None:
    assert find_in_text(f"# first line\n\n{key}") == (("private-key", 3),)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize(
    "written",
    [
        lambda key: key.replace("\n", "\r\n"),
        lambda key: key.replace("\n", "\n    "),
        lambda key: f"KEY={key.strip()}".replace("\n", "\\n"),
        lambda key: json.dumps({"tls.key": key}),
    ],
    ids=["crlf", "indented", "escaped", "json"],
)
def test_private_keys_as_people_embed_them(key: str, written: Callable[[str], str]) -> None:
    assert kinds(written(key)) == ["private-key"]


def test_a_google_service_account() -> None:
    account = json.dumps({"type": "service_account", "private_key": KEYS["RSA PKCS1"]}, indent=2)
    assert find_in_text(account) == (("google-service-account-key", 3),)


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC...\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\n<your key>\n-----END PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\n-----END RSA PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\n" + "A" * 64 + "\n-----END PRIVATE KEY-----\n",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "abcd" * 32 + "\n-----END OPENSSH PRIVATE KEY-----\n",
        KEYS["EC PKCS8"].rpartition("-----END")[0],
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        EC_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        'BEGIN = "-----BEGIN PRIVATE KEY-----"\nEND = "-----END PRIVATE KEY-----"\n',
    ],
)
def test_what_is_no_private_key(text: str) -> None:
    assert kinds(text) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("aws_access_key_id = AKIA" + letters(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), "aws-access-key"),
        ("AWS_SECRET_ACCESS_KEY=" + letters(40), "aws-secret-key"),
        ('aws_secret_access_key = "' + letters(40) + '"', "aws-secret-key"),
        ('{"SecretAccessKey": "' + letters(40) + '"}', "aws-secret-key"),
        ("key=AIza" + letters(35), "google-api-key"),
        ("GITHUB_TOKEN=ghp_" + letters(36), "github-token"),
        ("token: github_pat_" + letters(82), "github-token"),
        ("GITLAB=glpat-" + letters(20), "gitlab-token"),
        ("SLACK=xoxb-" + letters(12, string.digits) + "-" + letters(24), "slack-token"),
        (f"hooks.slack.com/services/T{letters(8, 'ABC123')}/B{letters(8, 'ABC123')}/{letters(24)}", "slack-webhook"),
        ("//registry.example.org/:_authToken=npm_" + letters(36), "npm-token"),
        ('{"auths": {"r.test": {"auth": "' + base64.b64encode(b"me:s3cret-word").decode() + '"}}}', "registry-login"),
    ],
)  # fmt: skip
def test_credentials_known_by_their_form(text: str, kind: str) -> None:
    assert kinds(text) == [kind]
    assert find_in_text(f"\n{text}\n") == ((kind, 2),)


@pytest.mark.parametrize(
    "text",
    [
        "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "aws_secret_access_key = ${AWS_SECRET_ACCESS_KEY}",
        "AKIA" + "A" * 16,
        "GITHUB_TOKEN=ghp_" + "x" * 36,
        "GITHUB_TOKEN=ghp_" + letters(20),
        "//registry.example.org/:_authToken=${NPM_TOKEN}",
        "xoxb-your-token",
        '{"auths": {"r.test": {}}, "credsStore": "desktop"}',
        '{"auths": {"r.test": {"auth": ""}}}',
        "password=hunter2",
        "PATH=/usr/local/bin:/usr/bin",
        "ASIA/Tokyo",
        "",
    ],
)
def test_placeholders_and_ordinary_words_are_none(text: str) -> None:
    assert kinds(text) == []


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("root/.netrc", b"machine r.test\n  login me\n  password s3cret-word\n", ("netrc-password", 3)),
        ("root/.pgpass", b"# host\ndb:5432:app:me:s3cret-word\n", ("pgpass-password", 2)),
        ("root/.git-credentials", b"https://me:s3cret-word@git.test\n", ("git-credentials", 1)),
    ],
)
def test_credentials_known_by_their_file(path: str, content: bytes, expected: tuple[str, int]) -> None:
    kind, line = expected
    assert find_in_file(path, content) == (Secret(kind, path, line),)
    assert find_in_file("etc/other", content) == ()


def test_bytes_that_are_not_utf8_hide_nothing() -> None:
    assert find_in_file("k", b"\xff\xfe\xe9\n" + KEYS["EC SEC1"].encode()) == (Secret("private-key", "k", 2),)


def test_nothing_of_the_secret_is_kept() -> None:
    token = "ghp_" + letters(36)
    assert token[4:] not in repr(find_in_file("a", f"TOKEN={token}".encode()))


def test_so_many_finds_and_no_more() -> None:
    text = "".join(f"ghp_{letters(36)}\n" for _ in range(MAX_SECRETS * 2))
    assert len(find_in_text(text)) == MAX_SECRETS


@given(
    st.lists(
        st.sampled_from(
            ["-----BEGIN ", "PRIVATE KEY-----", "RSA ", "\n", "-----END ", "AAAA", "=", '"auths"', '"auth": "']
        ),
        max_size=40,
    ).map("".join)
    | st.text()
)
def test_any_text_can_be_searched(text: str) -> None:
    assert all(line >= 1 for _, line in find_in_text(text))
