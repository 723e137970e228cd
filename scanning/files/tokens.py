"""Tokens of services, each recognised by its own form, and whether what has the form can be one.

Low on false alarms by what a token must be: its full length, letters as mixed as chance makes them, no placeholder
(`AKIAIOSFODNN7EXAMPLE`, `xxxx...`, `${TOKEN}`), and its checksum or structure where it has one. Every pattern begins
where a word does and has a bounded or unmistakable end, so that searching stays linear in hostile text.
"""

import base64
import binascii
import json
import math
import re
import string
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

_PLACEHOLDER = re.compile(
    r"example|xxxx|\*\*\*|0{8}|12345678|abcdefgh|\.\.\.|[<>${}]|placeholder|change.?me|redacted|your[-_]", re.IGNORECASE
)
_LEAST_ENTROPY = 3.0
"""Bits a character. Chance gives 16 letters of base 32 about 3.5, 32 hexadecimal digits 3.5, and longer ones more."""
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_EMULATOR_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq"
"""How the key of Azure's storage emulator begins, which is the same for everybody."""
_CLAIMS = frozenset({"iss", "sub", "aud", "exp", "jti"})
_EXAMPLE_SUBJECT = "1234567890"


def is_placeholder(value: str) -> bool:
    """Whether `value` stands where a secret is to be put."""
    return _PLACEHOLDER.search(value) is not None


def entropy(value: str) -> float:
    """The entropy of its characters, in bits a character."""
    counts = Counter(value).values()
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts)


def _is_random(value: str) -> bool:
    return not is_placeholder(value) and entropy(value) >= _LEAST_ENTROPY


def _has_github_checksum(token: str) -> bool:
    """The last six of a GitHub token are the CRC-32 of those between prefix and them, in base 62."""
    number, digits = zlib.crc32(token[4:-6].encode()), ""
    while number:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return token[-6:] == digits.rjust(6, "0")


def _is_pypi_macaroon(token: str) -> bool:
    return b"pypi.org" in _base64url(token.removeprefix("pypi-"))[:64]


def _is_web_token(token: str) -> bool:
    """RFC 7519: signed, with a claim that speaks of whom it is for, and not the example everybody copies."""
    header, payload, signature = (_base64url(part) for part in token.split("."))
    try:
        algorithm, claims = json.loads(header)["alg"], json.loads(payload)
    except (ValueError, LookupError, TypeError, RecursionError):
        return False
    if not isinstance(claims, dict) or claims.get("sub") == _EXAMPLE_SUBJECT:
        return False
    return algorithm != "none" and len(signature) >= 32 and not claims.keys().isdisjoint(_CLAIMS)


def _is_azure_key(key: str) -> bool:
    return _is_random(key) and not key.startswith(_EMULATOR_KEY)


def _base64url(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        return b""


@dataclass(frozen=True, slots=True)
class Token:
    """A credential recognised by its own form. The last group of `pattern`, or all it matches, is the secret."""

    kind: str
    words: frozenset[bytes]
    """One of these is in every text that holds one: patterns are only tried where one is found."""
    pattern: re.Pattern[str]
    is_real: Callable[[str], bool] = _is_random


_BEFORE_LETTERS = re.compile(r"\(\?<!(\[[^]]+\]|\\w)\)([\w/-]+)(?![*+?{])")


def _letters_first(pattern: str) -> str:
    """The same expression where it begins with what must not stand before some letters: it begins with the letters.

    `re` looks for those alone, at once, and otherwise asks at each character what stands before it.
    """
    begin = _BEFORE_LETTERS.match(pattern)
    if begin is None:
        return pattern
    before, letters = begin.groups()
    return f"{letters}(?<!{before}(?s:.{{{len(letters)}}})){pattern[begin.end() :]}"


def _token(kind: str, words: str, pattern: str, is_real: Callable[[str], bool] = _is_random) -> Token:
    return Token(kind, frozenset(words.encode().split()), re.compile(_letters_first(pattern), re.ASCII), is_real)


TOKENS = (
    _token(
        "aws-access-key",
        "AKIA ASIA",
        r"(?<![A-Za-z0-9/+=])A[KS]IA[A-Z2-7]{16}(?![A-Za-z0-9/+=])",
    ),
    _token(
        "aws-secret-key",
        "secret_access_key SECRET_ACCESS_KEY SecretAccessKey secretAccessKey",
        r"(?i:secret_?access_?key)[\"']?\s{0,8}[=:]\s{0,8}[\"']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
    ),
    _token("google-api-key", "AIza", r"(?<![\w-])AIza[\w-]{35}(?![\w-])"),
    _token("google-client-secret", "GOCSPX-", r"(?<![\w-])GOCSPX-[\w-]{28}(?![\w-])"),
    _token("google-refresh-token", "1//0", r"(?<![\w/])1//0[\w-]{40,200}(?![\w-])"),
    _token("azure-storage-key", "AccountKey=", r"AccountKey=([A-Za-z0-9+/]{86}==)", _is_azure_key),
    _token("azure-shared-access-key", "SharedAccessKey=", r"SharedAccessKey=([A-Za-z0-9+/]{43}=)"),
    _token("azure-client-secret", "Q~", r"(?<![\w.~-])[\w.~-]{3}[0-9]Q~[\w.~-]{31,34}(?![\w.~-])"),
    _token(
        "github-token",
        "ghp_ gho_ ghu_ ghs_ ghr_",
        r"(?<!\w)gh[pousr]_[A-Za-z0-9]{36}(?!\w)",
        lambda token: _is_random(token) and _has_github_checksum(token),
    ),
    _token("github-token", "github_pat_", r"(?<!\w)github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}(?!\w)"),
    _token(
        "gitlab-token",
        "glpat- gldt- glrt- glcbt- glptt- glft-",
        r"(?<!\w)gl(?:pat|dt|rt|cbt|ptt|ft)-[\w.-]{20,300}(?![\w-])",
    ),
    _token(
        "slack-token",
        "xoxb- xoxp- xoxa- xoxr- xoxs- xapp-",
        r"(?<!\w)x(?:ox[abprs]|app)-[0-9][0-9A-Za-z-]{20,200}",
    ),
    _token(
        "slack-webhook",
        "hooks.slack.com/services/",
        r"hooks\.slack\.com/services/T[A-Z0-9]{6,16}/B[A-Z0-9]{6,16}/([A-Za-z0-9]{24})(?!\w)",
    ),
    _token("stripe-key", "sk_live_ rk_live_", r"(?<!\w)[sr]k_live_[A-Za-z0-9]{24,110}(?!\w)"),
    _token("npm-token", "npm_", r"(?<!\w)npm_[A-Za-z0-9]{36}(?!\w)"),
    _token("npm-token", "_authToken npmAuthToken", r"(?:_a|npmA)uthToken\s{0,8}[=:]\s{0,8}[\"']?([\w+/=.-]{16,512})"),
    _token("pypi-token", "pypi-AgEI", r"(?<![\w-])pypi-AgEI[\w-]{50,500}(?![\w-])", _is_pypi_macaroon),
    _token("rubygems-token", "rubygems_", r"(?<!\w)rubygems_[a-f0-9]{48}(?!\w)"),
    _token("docker-hub-token", "dckr_pat_ dckr_oat_", r"(?<!\w)dckr_[po]at_[\w-]{27,32}(?![\w-])"),
    _token("digitalocean-token", "dop_v1_ doo_v1_ dor_v1_", r"(?<!\w)do[por]_v1_[a-f0-9]{64}(?!\w)"),
    _token("hugging-face-token", "hf_", r"(?<!\w)hf_[A-Za-z]{34}(?!\w)"),
    _token("openai-key", "T3BlbkFJ", r"(?<![\w-])sk-[\w-]{20,100}T3BlbkFJ[\w-]{20,100}(?![\w-])"),
    _token("anthropic-key", "sk-ant-", r"(?<![\w-])sk-ant-[a-z0-9]{3,12}-[\w-]{80,120}(?![\w-])"),
    _token("sendgrid-key", "SG.", r"(?<![\w.])SG\.[\w-]{22}\.[\w-]{43}(?![\w-])"),
    _token("vault-token", "hvs. hvb.", r"(?<![\w.])hv[sb]\.[\w-]{90,300}(?![\w-])"),
    _token("terraform-token", ".atlasv1.", r"(?<!\w)[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,70}(?![\w=-])"),
    _token("databricks-token", "dapi", r"(?<!\w)dapi[a-f0-9]{32}(?!\w)"),
    _token("grafana-token", "glsa_", r"(?<!\w)glsa_[A-Za-z0-9]{32}_[a-f0-9]{8}(?!\w)"),
    _token("shopify-token", "shpat_ shpss_ shpca_ shppa_", r"(?<!\w)shp(?:at|ss|ca|pa)_[a-f0-9]{32}(?!\w)"),
    _token("new-relic-key", "NRAK-", r"(?<![\w-])NRAK-[A-Z0-9]{27}(?!\w)"),
    _token("pulumi-token", "pul-", r"(?<![\w-])pul-[a-f0-9]{40}(?!\w)"),
    _token("telegram-token", ":AA", r"(?<![\w:])[0-9]{8,10}:AA[\w-]{33}(?![\w-])"),
    _token("age-key", "AGE-SECRET-KEY-1", r"(?<![\w-])AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}(?!\w)"),
    _token(
        "json-web-token",
        "eyJ",
        r"(?<![\w.-])eyJ[\w-]{10,4000}\.eyJ[\w-]{10,8000}\.[\w-]{40,2000}(?![\w-])",
        _is_web_token,
    ),
)  # fmt: skip
