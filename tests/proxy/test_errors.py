"""What an upstream refuses becomes the client's answer where the client can do something about it."""

import pytest

from proxy.errors import to_wire
from proxy.upstream.port import UpstreamRefusedError


@pytest.mark.parametrize(
    ("code", "status"), [("DIGEST_INVALID", 400), ("MANIFEST_INVALID", 400), ("TAG_INVALID", 400), ("UNSUPPORTED", 405)]
)
def test_what_the_client_asked_wrongly_is_passed_on(code: str, status: int) -> None:
    wire = to_wire(UpstreamRefusedError("the upstream refused", code=code, status=400))
    assert (wire.status, wire.code, wire.message) == (status, code, "the upstream refused")


@pytest.mark.parametrize(("code", "status"), [("UNAUTHORIZED", 401), ("DENIED", 403), ("", 404), ("NAME_UNKNOWN", 404)])
def test_what_is_between_the_upstream_and_the_gate_is_502(code: str, status: int) -> None:
    wire = to_wire(UpstreamRefusedError("the upstream refused", code=code, status=status))
    assert (wire.status, wire.code) == (502, "UNAVAILABLE")
