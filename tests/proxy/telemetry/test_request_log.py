"""The line of a request: what it says, and what a client cannot make it say."""

import io
import json

import pytest
import structlog

from proxy.telemetry.logging import configure_logging
from proxy.telemetry.request_log import RequestLine, log_requests

LINE = RequestLine("r1", "GET", "/v2/team/app/manifests/1", 200, 0.012345, "192.0.2.7")


def logged(*lines: RequestLine, style: str, level: str = "info") -> str:
    """What is written of them."""
    stream = io.StringIO()
    configure_logging(level, style, stream)  # type: ignore[arg-type]  # parametrised over its two values
    log_requests(lines)
    return stream.getvalue()


def test_it_says_in_json_what_any_other_line_would() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    structlog.get_logger("proxy.request").info(
        "request",
        method="GET",
        path="/v2/team/app/manifests/1",
        status=200,
        seconds=0.0123,
        address="192.0.2.7",
        request_id="r1",
    )
    usual, made = json.loads(stream.getvalue()), json.loads(logged(LINE, style="json"))
    assert made | {"timestamp": ""} == usual | {"timestamp": ""}
    assert len(made["timestamp"]) == len(usual["timestamp"])
    assert made["timestamp"].endswith("Z")


def test_it_says_in_text_what_any_other_line_would() -> None:
    stream = io.StringIO()
    configure_logging("info", "text", stream)
    structlog.get_logger("proxy.request").info(
        "request",
        method="GET",
        path="/v2/team/app/manifests/1",
        status=200,
        seconds=0.0123,
        address="192.0.2.7",
        request_id="r1",
    )
    assert logged(LINE, style="text").partition(" ")[2] == stream.getvalue().partition(" ")[2]


@pytest.mark.parametrize("style", ["text", "json"])
def test_t82_what_a_client_wrote_stays_in_its_line(style: str) -> None:
    said = logged(
        RequestLine("r1", "G\x1b[2JET", "/v2/\r\nforged\x1b[31m\u2028red", 404, 0.0, "192.0.2.7"), style=style
    )
    assert said.count("\n") == 1
    assert said.rstrip("\n").isprintable()


@pytest.mark.parametrize("style", ["text", "json"])
def test_t81_a_token_in_a_path_is_not_written(style: str) -> None:
    assert "secret-part" not in logged(RequestLine("r1", "GET", "/v2/igt_abc_secret-part/x", 404, 0.0, ""), style=style)


def test_the_sealed_state_of_an_upload_is_cut() -> None:
    said = json.loads(
        logged(RequestLine("r1", "PATCH", f"/v2/a/blobs/uploads/{'x' * 700}", 202, 0.0, ""), style="json")
    )
    assert said["path"] == f"/v2/a/blobs/uploads/{'x' * 80}..."


def test_nothing_is_written_below_its_level() -> None:
    assert logged(LINE, style="text", level="warning") == ""


@pytest.mark.parametrize("style", ["text", "json"])
def test_several_requests_have_a_line_each(style: str) -> None:
    other = RequestLine("r2", "HEAD", "/v2/team/app/manifests/2", 404, 1.5, "2001:db8::7")
    both = logged(LINE, other, style=style).splitlines()
    assert ["r1" in line for line in both] == [True, False]
    assert ["2001:db8::7" in line for line in both] == [False, True]
    assert all(part in both[1] for part in ("manifests/2", "404", "1.5"))
