"""Where requests may go, as a property of whatever text an upstream sends."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.upstream.origin import Origin, is_public_address, redirection, same_origin_target
from proxy.upstream.port import UpstreamRefusedError

HOME = Origin("https", "registry.example", 443)
ADDRESS_LIKE = st.text(st.sampled_from("/.:?#@%\\[]ahtps2eF-_=& \t"), max_size=40) | st.builds(
    "{}{}{}".format,
    st.sampled_from(["https://registry.example", "http://registry.example", "//registry.example", "", "https://a@"]),
    st.sampled_from(["/v2/", "/v2/..", "/%2e%2e/", ":443/", "\\@evil/", "@evil/", ".evil/"]),
    st.text(max_size=10),
)


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://registry.example", Origin("https", "registry.example", 443)),
        ("http://Registry.Example:5000/", Origin("http", "registry.example", 5000)),
        ("http://[::1]:5000", Origin("http", "::1", 5000)),
    ],
)
def test_an_origin_is_scheme_host_and_port(text: str, origin: Origin) -> None:
    assert Origin.parse(text) == origin
    assert Origin.parse(str(origin)) == origin


@pytest.mark.parametrize(
    "text",
    [
        "",
        "registry.example",
        "ftp://registry.example",
        "https://",
        "https://user:secret@registry.example",
        "https://registry.example/prefix",
        "https://registry.example?x",
        "https://registry.example#x",
        "https://registry.example:99999",
        "https://régistre.example",
        "https://registry.example%2f@evil",
        "https://registry example",
    ],
)
def test_what_is_more_or_less_than_an_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Origin.parse(text)


@given(ADDRESS_LIKE)
def test_t24_a_location_is_used_only_if_it_is_a_plain_path_at_home(location: str) -> None:
    try:
        target = same_origin_target(HOME, "/v2/team/app/blobs/uploads/", location)
    except UpstreamRefusedError:
        return
    sent = urlsplit(str(HOME.url(target)))
    assert (sent.scheme, sent.netloc) == ("https", "registry.example")
    segments = sent.path.lower().replace("%2e", ".").split("/")
    assert ".." not in segments
    assert "." not in segments
    assert target.startswith("/")
    assert target.isascii()
    assert target.isprintable()


@given(ADDRESS_LIKE)
def test_t84_whatever_a_redirect_says_it_never_leaves_tls_or_http(location: str) -> None:
    try:
        step = redirection(HOME, frozenset(), "https://registry.example/v2/", location)
    except UpstreamRefusedError:
        return
    assert step.url.scheme == "https"
    assert step.guarded == (step.url.raw_host != HOME.host)
    assert step.is_home == (Origin.of(str(step.url)) == HOME)


def test_t84_a_redirect_from_https_to_http_is_refused() -> None:
    with pytest.raises(UpstreamRefusedError, match="https to http"):
        redirection(HOME, frozenset({"cdn.example"}), "https://registry.example/v2/", "http://cdn.example/blob")


def test_t84_a_redirect_to_another_public_host_is_guarded_until_its_name_is_resolved() -> None:
    step = redirection(HOME, frozenset(), "https://registry.example/v2/", "https://cdn.example/blob?a=%2F#part")
    assert str(step.url) == "https://cdn.example/blob?a=%2F"
    assert step.guarded
    assert not step.is_home


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111", "64:ff9b::101:101"])
def test_public_addresses(address: str) -> None:
    assert is_public_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - nothing is bound to it
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "ff02::1",
    ],
)
def test_t84_addresses_inside(address: str) -> None:
    assert not is_public_address(address)
