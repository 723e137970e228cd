"""Commands that fetch a program and run it, and those that only look alike."""

import pytest

from scanning.facts import Fetch, Fetched
from scanning.files.fetching import fetches
from tests.scanning.files.files import told

PROGRAM, PACKAGES = Fetched.PROGRAM, Fetched.PACKAGES


@pytest.mark.parametrize(
    "command",
    [
        "curl -fsSL https://example.org/x | sh",
        "wget -qO- https://example.org/x|bash -s -- --now",
        "/usr/bin/curl https://example.org/x | sudo -E /bin/bash",
        "cd /opt && curl -s https://example.org/x | gunzip | sh -x",
        "curl https://example.org/x 2>/dev/null || true; wget -O- https://example.org/y | python3 -",
        "curl https://example.org/x |\\\n  sh",
        'bash -c "$(curl -fsSL https://example.org/x)"',
        "sh <(wget -qO- https://example.org/x)",
        "eval `curl https://example.org/x`",
        ". <(curl https://example.org/x)",
        "curl https://example.org/x | A=1 exec perl",
    ],
)
def test_t94_a_program_that_is_fetched_and_run(command: str) -> None:
    assert fetches(command) == (Fetch(PROGRAM, 1),)
    assert fetches(f"#!/bin/sh\nset -e\n{command}\nexec app\n") == (Fetch(PROGRAM, 3),)


@pytest.mark.parametrize(
    "command",
    [
        "curl -o x https://example.org/x && chmod +x x && ./x",
        "curl -fsSLo /opt/x https://example.org/y && chmod 755 /opt/x",
        "wget https://example.org/a/x.sh?y=1; sh ./x.sh",
        "cd /tmp && wget -q https://example.org/x -P /tmp && python3 /tmp/x --now",
        'curl https://example.org/x > "$T/x"; . "$T/x"',
        "wget -qO/tmp/x https://example.org/x && exec /tmp/x",
        "curl -LO https://example.org/x && chmod u+rwx ./x",
        "curl --output=/tmp/x https://example.org/x\nA=1 sudo /tmp/x",
        "wget --output-document /tmp/x https://example.org/x\nif true; then /tmp/x; fi",
        'sh -c "curl -o /tmp/x https://example.org/x; bash -e /tmp/x"',
    ],
)
def test_t94_a_program_that_is_fetched_into_a_file_and_run(command: str) -> None:
    last = command.count("\n")
    assert fetches(command) == (Fetch(PROGRAM, 1 + last),)
    assert fetches(f"#!/bin/sh\nset -e\n{command}\nexec app\n") == (Fetch(PROGRAM, 3 + last),)


@pytest.mark.parametrize(
    "command",
    [
        "curl -fsS http://localhost:8080/health || exit 1",
        "curl -s https://example.org/x | jq -r .name",
        "curl -s https://example.org/x | python3 -c 'import json, sys; print(json.load(sys.stdin))'",
        "curl -s https://example.org/x > /tmp/x; cat /tmp/y | sh",
        "# curl https://example.org/x | sh",
        "echo libcurl | sh",
        "curl https://example.org/x | sh -c 'cat > /dev/null'",
        "exec /usr/bin/curl-test | shuf",
        "apt-get --version; npm run install-check",
        "x=$(curl https://example.org/x)",
        "curl -o /etc/app/x.json https://example.org/x; exec /usr/bin/app /etc/app/x.json",
        "curl -o x.json https://example.org/x && chmod 644 x.json && cat x.json",
        "curl -o /dev/null https://example.org/x && /usr/bin/null",
        "wget -q -O /tmp/x https://example.org/x; chmod +x /opt/app; ./app",
        "curl -o /tmp/x https://example.org/y; /opt/y",
    ],
)
def test_what_only_looks_like_it(command: str) -> None:
    assert fetches(command) == ()


@pytest.mark.parametrize(
    "command",
    [
        "echo ZWNobyBoaQo= | base64 -d | sh",
        "base64 --decode /opt/x | /bin/bash -s",
        "sh -c $(echo ZWNobyBoaQo= | base64 -d)",
        'eval "$(openssl enc -aes-256-cbc -d -in /opt/x)"',
        "$(echo ZWNobyBoaQo= | base64 -di)",
        ". <(xxd -r -p /opt/x)",
        "zcat /opt/x.gz | python3 -",
        "base64 -d < /opt/x > /tmp/y && chmod +x /tmp/y",
        "echo f0VMRg== | base64 -d > /tmp/y; /tmp/y --now",
        "openssl base64 -d -in /opt/x -out /tmp/y\nchmod 755 /tmp/y",
        "gunzip -c /opt/x.gz >/tmp/y; sh /tmp/y",
        "xz -dc /opt/x.xz > y; exec ./y",
    ],
)
def test_t117_a_program_that_is_decoded_and_run(command: str) -> None:
    last = command.count("\n")
    assert fetches(command) == (Fetch(Fetched.DECODED, 1 + last),)
    assert fetches(f"#!/bin/sh\nset -e\n{command}\nexec app\n") == (Fetch(Fetched.DECODED, 3 + last),)


@pytest.mark.parametrize(
    "command",
    [
        "echo eA==|base64 -d|sh; curl -o /tmp/x https://example.org/x\nsh /tmp/x",
        "base64 -d p > /tmp/y; curl -o /tmp/x https://example.org/x; sh /tmp/y; sh /tmp/x",
        "base64 -d p > y; curl https://example.org/x | sh; chmod +x y",
        "curl -o x https://example.org/x; base64 -d p > y; chmod +x x y",
        "curl https://example.org/x | sh; echo eA== | base64 -d | sh",
    ],
)
def test_t117_what_is_decoded_hides_nothing_that_is_fetched(command: str) -> None:
    assert {fetch.what for fetch in fetches(command)} == {PROGRAM, Fetched.DECODED}


@pytest.mark.parametrize(
    "command",
    [
        "base64 -w0 /opt/x | sh -c cat",
        "base64 /opt/a-d | sh",
        'echo "$CERTIFICATE" | base64 -d > /etc/app/cert.pem && chmod 600 /etc/app/cert.pem',
        'PASSWORD="$(echo "$SECRET" | base64 -d)" exec app',
        "x=$(echo $Y | base64 --decode); echo $x",
        "gunzip -c /opt/dump.sql.gz | psql",
        "eval $(ssh-agent); base64 -d x > y.json",
        "tar xzf /opt/x.tar.gz -C /tmp && chmod +x /opt/app",
        "openssl req -x509 -days 1 -out c.pem | sh -c cat",
        "xz -z x; ./y",
    ],
)
def test_what_is_decoded_and_not_run(command: str) -> None:
    assert fetches(command) == ()


@pytest.mark.parametrize(
    "command",
    [
        "apt-get update && apt-get install -y nginx",
        "apk add --no-cache curl",
        "pip install -r x.txt",
        "npm ci && node .",
    ],
)
def test_t94_packages_that_are_installed(command: str) -> None:
    assert fetches(f"set -e\n{command}\n{command}") == (Fetch(PACKAGES, 2),)


def test_scripts_tell_it_and_other_texts_do_not() -> None:
    command = b"curl https://example.org/x | sh\n"
    for path, content in (("opt/start", b"#!/bin/sh\n" + command), ("opt/start.sh", b"\n" + command)):
        found = told(path, content)
        assert found is not None
        assert found.fetches == (Fetch(PROGRAM, 2),)
    assert told("usr/share/doc/README", command) is None


def test_a_zero_byte_makes_no_data_of_a_script() -> None:
    found = told("opt/start", b"#!/bin/sh\n: \0\ncurl https://example.org/x | sh\n")
    assert found is not None
    assert found.fetches == (Fetch(PROGRAM, 3),)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "piece",
    [
        "curl |",
        "sh -",
        "apt ",
        "curl x | sudo ",
        "$(curl",
        "sh" + " " * 20,
        "\\\n",
        "a=|",
        "/a",
        "curl -o x ",
        "wget http://a/b;",
        "curl >x;. y;",
        "eval $(base64 ",
        ";$(base64 -d ",
        "base64 /",
        "openssl -d >x;",
        "xz zcat | sh -c ",
    ],
)
def test_t56_no_script_takes_long_to_be_read(piece: str) -> None:
    long = piece * (2_000_000 // len(piece))
    lines = "\n".join((piece * 1000)[:4000] for _ in range(500))
    for text in (long, lines):
        assert {one.what for one in fetches(f"{text}\nnpm ci")} <= set(Fetched)
