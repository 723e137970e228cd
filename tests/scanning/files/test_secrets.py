"""Secrets: what is found, what is passed over, and that nothing of them is kept."""

import base64
import json
import string
import zlib
from collections.abc import Callable
from random import Random

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from scanning.facts import Secret
from scanning.files.secrets import MAX_SECRETS, find_in_environment, find_in_file, find_in_text
from tests.scanning.files.keys import EC_KEY, KEYS

# Tokens are put together here, so that this file holds none.
_RANDOM = Random(1)  # noqa: S311 # made for tests, protects nothing
_LETTERS = string.ascii_letters + string.digits


def letters(count: int, alphabet: str = _LETTERS) -> str:
    return "".join(_RANDOM.choices(alphabet, k=count))


def github_token(prefix: str = "ghp_", *, valid: bool = True) -> str:
    """A token with the checksum that GitHub's have, or another one."""
    secret = letters(30)
    number, checksum = zlib.crc32(secret.encode()) ^ (not valid), ""
    digits = string.digits + string.ascii_uppercase + string.ascii_lowercase
    for _ in range(6):
        number, digit = divmod(number, 62)
        checksum = digits[digit] + checksum
    return prefix + secret + checksum


def web_token(claims: dict[str, object], algorithm: str = "HS256") -> str:
    """A JSON web token that nobody signed."""
    parts = (json.dumps({"alg": algorithm}).encode(), json.dumps(claims).encode(), _RANDOM.randbytes(32))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


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
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\xffZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n",
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
        ("GITHUB_TOKEN=" + github_token(), "github-token"),
        ("installation: " + github_token("ghs_"), "github-token"),
        ("token: github_pat_" + letters(22) + "_" + letters(59), "github-token"),
        ("GITLAB=glpat-" + letters(20), "gitlab-token"),
        ("GITLAB_RUNNER=glrt-" + letters(20), "gitlab-token"),
        ("key: sk_live_" + letters(40), "stripe-key"),
        ("'rk_live_" + letters(24) + "'", "stripe-key"),
        ("npm_" + letters(36), "npm-token"),
        ("npmAuthToken: " + letters(36), "npm-token"),
        ("pypi-AgEIcHlwaS5vcmc" + letters(100), "pypi-token"),
        ("rubygems_" + letters(48, "0123456789abcdef"), "rubygems-token"),
        ("dckr_pat_" + letters(27), "docker-hub-token"),
        ("dop_v1_" + letters(64, "0123456789abcdef"), "digitalocean-token"),
        ("HF=hf_" + letters(34, string.ascii_letters), "hugging-face-token"),
        ("sk-" + letters(20) + "T3BlbkFJ" + letters(20), "openai-key"),
        ("sk-ant-api03-" + letters(95), "anthropic-key"),
        ("SG." + letters(22) + "." + letters(43), "sendgrid-key"),
        ("VAULT_ADDR=x hvs." + letters(95), "vault-token"),
        (letters(14) + ".atlasv1." + letters(67), "terraform-token"),
        ("dapi" + letters(32, "0123456789abcdef"), "databricks-token"),
        ("glsa_" + letters(32) + "_" + letters(8, "0123456789abcdef"), "grafana-token"),
        ("shpat_" + letters(32, "0123456789abcdef"), "shopify-token"),
        ("NRAK-" + letters(27, string.ascii_uppercase + string.digits), "new-relic-key"),
        ("pul-" + letters(40, "0123456789abcdef"), "pulumi-token"),
        ("987651234:AA" + letters(33), "telegram-token"),
        ("AGE-SECRET-KEY-1" + letters(58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"), "age-key"),
        ("GOCSPX-" + letters(28), "google-client-secret"),
        ('"refresh_token": "1//0' + letters(60) + '"', "google-refresh-token"),
        ("AccountName=a;AccountKey=" + letters(86) + "==;Suffix=b", "azure-storage-key"),
        ("SharedAccessKey=" + letters(43) + "=", "azure-shared-access-key"),
        ("AZURE_CLIENT_SECRET=" + letters(3) + "8Q~" + letters(34), "azure-client-secret"),
        ("Authorization: Bearer " + web_token({"sub": "me", "exp": 1}), "json-web-token"),
        ("SLACK=xoxb-" + letters(12, string.digits) + "-" + letters(24), "slack-token"),
        (f"hooks.slack.com/services/T{letters(8, 'ABC123')}/B{letters(8, 'ABC123')}/{letters(24)}", "slack-webhook"),
        ("//registry.example.org/:_authToken=npm_" + letters(36), "npm-token"),
        ('{"auths": {"r.test": {"auth": "' + base64.b64encode(b"me:s3cret-word").decode() + '"}}}', "registry-login"),
        ('{"auths": {"r.test": {"identitytoken": "' + letters(40) + '"}}}', "registry-login"),
        ("client-key-data: " + base64.b64encode(KEYS["EC PKCS8"].encode()).decode(), "kubernetes-client-key"),
        ("RUN pip install --index-url https://me:s3cret-word@pypi.test/simple x", "password-in-address"),
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
        "GITHUB_TOKEN=" + github_token(valid=False),
        "sk_live_" + "x" * 30,
        "sk_test_" + letters(24),
        "npm_" + letters(35),
        "pypi-AgEI" + letters(80),
        "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
        web_token({"sub": "1234567890", "name": "John Doe"}),
        web_token({"some": "payload"}),
        web_token({"sub": "me"}, algorithm="none"),
        "eyJhbGciOiJIUzI1NiJ9.eyJub3QiOiJqc29u." + letters(43),
        "client-key-data: " + base64.b64encode(bytes(100)).decode(),
        "https://user:password@host.test/",
        "https://user:${TOKEN}@host.test/",
        "https://host.test:8080/@scope",
        "a" * 40,
        "PATH=/usr/local/bin:/usr/bin",
        "ASIA/Tokyo",
        "",
    ],
)
def test_placeholders_and_ordinary_words_are_none(text: str) -> None:
    assert kinds(text) == []


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ("AKIA" + letters(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), "aws-access-key"),
        ("npm_" + letters(36), "npm-token"),
        ("xoxb-1" + letters(30), "slack-token"),
        (github_token(), "github-token"),
        (web_token({"sub": "me", "exp": 1}), "json-web-token"),
    ],
)
def test_a_token_begins_where_a_word_does(token: str, kind: str) -> None:
    assert kinds(token) == kinds(f"\n{token}\n") == kinds(f'"{token}"') == [kind]
    assert kinds(f"x{token}") == kinds(f"is {token[0]}{token}") == kinds(f"\nx{token}\n") == []


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("root/.netrc", b"machine r.test\n  login me\n  password s3cret-word\n", ("netrc-password", 3)),
        ("root/.pgpass", b"# host\ndb:5432:app:me:s3cret-word\n", ("pgpass-password", 2)),
        ("root/.npmrc", b"//r.test/:_password=czNjcmV0LXdvcmQ=\n", ("npm-password", 1)),
        ("root/.pypirc", b"[pypi]\nusername = me\npassword = s3cret-word\n", ("pypi-password", 3)),
        ("root/.my.cnf", b"[client]\npassword=s3cret-word\n", ("mysql-password", 2)),
        ("root/.m2/settings.xml", b"<server>\n<password>s3cret-word</password></server>", ("maven-password", 2)),
        ("root/.kube/config", b"users:\n- user:\n    token: s3cret.word-of-mine\n", ("kubernetes-token", 3)),
        ("app/.git/config", b"[remote]\nurl = https://me:s3cret-word@git.test/a\n", ("git-credentials", 2)),
        ("app/.env", b"DEBUG=1\nDB_PASSWORD=s3cret-word\n", ("password-in-environment", 2)),
        ("root/.git-credentials", b"https://me:s3cret-word@git.test\n", ("git-credentials", 1)),
    ],
)
def test_credentials_known_by_their_file(path: str, content: bytes, expected: tuple[str, int]) -> None:
    kind, line = expected
    assert find_in_file(path, content) == (Secret(kind, path, line),)
    assert find_in_file("etc/other", content) == ()


@pytest.mark.parametrize("name", ["root/.m2/settings.xml", "root/.env", "root/.kube/config", "root/.pypirc"])
def test_files_of_logins_without_a_login(name: str) -> None:
    content = b"<password>repopwd</password>\npassword = ${PASSWORD}\nSECRET_KEY_FILE=/run/key\ntoken: <your token>\n"
    assert find_in_file(name, content) == ()


@pytest.mark.parametrize(
    ("entry", "is_found"),
    [
        ("DB_PASSWORD=s3cret-word", True),
        ("SECRET_KEY=" + letters(40), True),
        ("api_key=" + letters(20), True),
        ("PASSWORD=", False),
        ("PASSWORD=changeme", False),
        ("PASSWORD=yes", False),
        ("PASSWORD_FILE=/run/secrets/password", False),
        ("SECRET=/run/secrets/it-is-there", False),
        ("GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D", False),
        ("PYTHON_SHA256=" + letters(64, "0123456789abcdef"), False),
        ("TOKEN=aaaaaaaaaaaa", False),
        ("PATH=/usr/bin", False),
    ],
)
def test_passwords_of_an_environment_are_told_by_the_name(entry: str, is_found: bool) -> None:
    expected = (("password-in-environment", 1),) if is_found else ()
    assert find_in_environment(entry) == expected
    assert find_in_text(entry) == ()


def test_a_putty_key_and_none_where_only_the_public_part_is() -> None:
    public = "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: c\nPublic-Lines: 1\n" + letters(64) + "\n"
    assert find_in_text(f"{public}Private-Lines: 1\n{letters(44)}\n") == (("private-key", 1),)
    assert find_in_text(public) == ()


def test_bytes_that_are_not_utf8_hide_nothing() -> None:
    assert find_in_file("k", b"\xff\xfe\xe9\n" + KEYS["EC SEC1"].encode()) == (Secret("private-key", "k", 2),)


def test_nothing_of_the_secret_is_kept() -> None:
    token = github_token()
    assert token[4:] not in repr(find_in_file("a", f"TOKEN={token}".encode()))


def test_t56_what_is_nested_too_deeply_to_be_a_token_is_none() -> None:
    nested = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 2900).decode().rstrip("=")
    text = f"token: {nested}.{nested}.{letters(43)}"
    assert find_in_text(text) == ()
    assert find_in_file("etc/a.conf", text.encode()) == ()


@pytest.mark.timeout(60)  # each would take hours, of the processor time that a layer has
@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("root/.git-credentials", b"a" * 4_000_000),
        ("root/.netrc", b" password x9" * 400_000),
        ("opt/keys", b"PuTTY-User-Key-File-3: ssh\n" * 200_000),
        ("opt/keys", b"PuTTY-User-Key-File-3: ssh\nPrivate-Lines: 1\n" + b"\n" * 4_000_000),
    ],
)
def test_t56_text_made_to_be_searched_for_ever_is_searched_at_once(path: str, content: bytes) -> None:
    assert {(secret.kind, secret.line) for secret in find_in_file(path, content)} <= {("netrc-password", 1)}


def test_lines_are_counted_across_kinds_of_secrets() -> None:
    pair = f"{github_token()}\n\nAKIA{'QX7ZT3MV5JKL2WPB'}\n"
    assert set(find_in_text(pair * 2)) == {
        *(("github-token", 1), ("aws-access-key", 3)),
        *(("github-token", 4), ("aws-access-key", 6)),
    }


def test_so_many_finds_and_no_more() -> None:
    text = "".join(f"{github_token()}\n" for _ in range(MAX_SECRETS * 2))
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
