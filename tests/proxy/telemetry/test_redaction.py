"""What reaches the log: no secret (threat 81), and nothing that forges a line or drives a terminal (threat 82)."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from proxy.identity.principal import Role
from proxy.identity.tokens import OpaqueToken
from proxy.telemetry.logging import configure_logging
from proxy.telemetry.redaction import MASK, clean_text, redact
from tests.proxy.conftest import StartFace
from tests.proxy.face import basic


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@given(st.builds(OpaqueToken.generate), st.text(max_size=20), st.text(max_size=20))
def test_t81_a_token_is_masked_wherever_it_stands(token: OpaqueToken, before: str, after: str) -> None:
    assert token.secret not in clean_text(f"{before} {token.text} {after}")


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer hunter2",
        "authorization: basic aHVudGVyMjpodW50ZXIy",
        "postgresql+asyncpg://gate:hunter2@db/gate",
        "password=hunter2&x=1",
        '{"password": "hunter2"}',
        "secret: hunter2",
        "eyJhbGciOiJFZERTQSJ9.eyJodW50ZXIyIjoxfQ.hunter2",
    ],
)
def test_t81_credentials_of_other_forms_are_masked(text: str) -> None:
    cleaned = clean_text(text)
    assert "hunter2" not in cleaned
    assert "aHVudGVy" not in cleaned
    assert MASK in cleaned


def test_t81_values_under_telling_names_are_masked_at_any_depth() -> None:
    event = {"event": "x", "a": [{"db_password": "hunter2", "ok": 1}], "Authorization": ["hunter2"], "secret": ""}
    assert redact(None, "info", event) == {
        "event": "x",
        "a": [{"db_password": MASK, "ok": 1}],
        "Authorization": MASK,
        "secret": "",
    }


def test_t81_a_challenge_is_no_secret() -> None:
    assert clean_text('Bearer realm="https://gate/auth/token"') == 'Bearer realm="https://gate/auth/token"'


@given(st.text())
def test_t82_nothing_unprintable_is_left(text: str) -> None:
    assert clean_text(text).isprintable()


@pytest.mark.parametrize("style", ["text", "json"])
def test_t82_a_forged_line_stays_one_line(style: str) -> None:
    stream = io.StringIO()
    configure_logging("info", style, stream)  # type: ignore[arg-type]  # parametrised over its two values
    structlog.get_logger("x").info("request", path="/v2/\r\n2026 [info] forged\x1b[31m\u2028red")
    logging.getLogger("aiohttp.server").warning("from a library: %s", "\nforged \x1b[2J")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert not any("\x1b" in line for line in lines)


def test_json_lines_are_objects_with_level_and_time() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    structlog.get_logger("x").info("said", number=1)
    structlog.get_logger("x").debug("not said")
    (line,) = stream.getvalue().splitlines()
    said = json.loads(line)
    assert (said["event"], said["level"], said["number"]) == ("said", "info", 1)
    assert said["timestamp"].endswith("Z")


@pytest.mark.parametrize("style", ["text", "json"])
def test_t81_an_exception_is_logged_without_its_secrets(style: str) -> None:
    stream = io.StringIO()
    configure_logging("info", style, stream)  # type: ignore[arg-type]  # parametrised over its two values
    try:
        int("postgresql://gate:hunter2@db")
    except ValueError:
        structlog.get_logger("x").exception("failed")
    assert "invalid literal" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


async def test_t81_no_secret_of_a_whole_conversation_is_in_the_log(start_face: StartFace) -> None:
    stream = io.StringIO()
    configure_logging("debug", "json", stream)
    guessed = OpaqueToken.generate()
    async with start_face() as face:
        grant, token = await face.new_token(Role.DEVELOPER, "team/**")
        bearer = await face.bearer("repository:team/app:pull", token=token)
        await face.call("GET", "/v2/", headers={"Authorization": bearer})
        await face.call("GET", f"/v2/team/app/tags/list?token={token}", token=guessed.text)
        await face.call("GET", f"/v2/team/{token}/tags/list", headers={"Authorization": basic(token)})
        form = {"grant_type": "password", "username": "x", "password": guessed.text}
        await face.call("POST", "/auth/token", token="", body=form)
    log = stream.getvalue()
    assert '"path": "/v2/"' in log
    for secret in (token.removeprefix(f"igt_{grant}_"), guessed.secret, bearer.removeprefix("Bearer ")):
        assert secret not in log
