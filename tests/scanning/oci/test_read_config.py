"""Image configurations are read in one way only, or refused."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanning.errors import InvalidContentError, InvalidManifestError
from scanning.oci.manifest import HistoryEntry, Platform
from scanning.oci.read import MAX_CONFIG_BYTES, read_config
from tests.scanning.oci.shapes import CONFIGS, ROOTFS, Document, body, digest, without


def refusal(document: Any) -> str:
    with pytest.raises(InvalidManifestError) as caught:
        read_config(document if isinstance(document, bytes) else body(document))
    return str(caught.value)


def with_run(**fields: Any) -> Document:
    return {"os": "linux", "architecture": "amd64", "config": fields, "rootfs": ROOTFS}


@pytest.mark.parametrize("writer", CONFIGS)
def test_what_real_builders_write_is_read(writer: str) -> None:
    document = CONFIGS[writer]
    read = read_config(body(document))
    assert [str(diff_id) for diff_id in read.diff_ids] == ROOTFS["diff_ids"]
    assert read.platform == Platform(document["os"], document["architecture"], document.get("variant", ""))


def test_everything_the_gate_asks_about_is_read() -> None:
    read = read_config(body(CONFIGS["docker build"]))
    assert read.user == "app"
    assert read.environment == ("PATH=/usr/bin",)
    assert read.labels == {"Vendor": "one", "vendor": "two"}
    assert read.entrypoint == ("/entry",)
    assert read.command == ("serve",)
    assert read.exposed_ports == ("8080/tcp",)
    assert read.volumes == ("/data",)
    assert read.healthcheck
    assert read.created == "2026-01-01T00:00:00.123456789Z"
    assert read.history == (
        HistoryEntry("/bin/sh -c #(nop) ADD file:x in / "),
        HistoryEntry("ENV A=1", "buildkit.dockerfile.v0", empty_layer=True),
    )


def test_null_counts_as_absent() -> None:
    read = read_config(body(CONFIGS["buildah, with nulls"]))
    assert (read.environment, read.command, read.entrypoint, read.history) == ((), (), (), ())
    assert (read.labels, read.volumes, read.healthcheck) == ({}, (), ())


@pytest.mark.parametrize(
    ("healthcheck", "read"),
    [({}, ()), ({"Test": []}, ()), ({"Test": ["NONE"]}, ()), ({"Test": ["CMD-SHELL", "x"]}, ("CMD-SHELL", "x"))],
)
def test_a_health_check_can_be_switched_off(healthcheck: Document, read: tuple[str, ...]) -> None:
    assert read_config(body(with_run(Healthcheck=healthcheck))).healthcheck == read


def test_where_a_process_starts_and_how_it_is_stopped_are_read() -> None:
    read = read_config(body(with_run(WorkingDir="/srv", StopSignal="SIGQUIT")))
    assert (read.working_directory, read.stop_signal) == ("/srv", "SIGQUIT")


@pytest.mark.parametrize("key", ["user", "USER", "env", "u\u017fer"])
def test_t39_a_lone_field_spelt_in_another_case_is_refused(key: str) -> None:
    assert "some readers take it as" in refusal(with_run(**{key: "root"}))


@pytest.mark.parametrize("key", ["RootFS", "Config", "Architecture", "hi\u017ftory", "OS"])
def test_t39_a_lone_outer_field_spelt_in_another_case_is_refused(key: str) -> None:
    assert "some readers take it as" in refusal({**without(with_run(), key.casefold()), key: "x"})


def test_t39_a_second_user_under_another_spelling_is_refused() -> None:
    assert "differ only in case" in refusal(with_run(User="app", user="root"))


def test_t41_a_second_user_is_refused() -> None:
    content = body(with_run(User="app")).replace(b'"User": "app"', b'"User": "app", "User": "root"')
    assert "holds the key 'User' twice" in refusal(content)


def test_t40_what_cannot_be_parsed_is_refused_as_a_configuration() -> None:
    assert "nests deeper" in refusal(b"[" * 1_100 + b"]" * 1_100)
    assert refusal(b" " * (MAX_CONFIG_BYTES + 1)).endswith(f"at most {MAX_CONFIG_BYTES} are read")


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"User": 0}, "config.User must be a string, not the number 0"),
        ({"Env": "A=1"}, "config.Env must be a list, not a string"),
        ({"Env": [None]}, "config.Env[0] must be a string, not null"),
        ({"Cmd": "serve"}, "config.Cmd must be a list, not a string"),
        ({"Labels": {"a": 1}}, "config.Labels['a'] must be a string, not the number 1"),
        ({"Labels": []}, "config.Labels must be an object, not a list"),
        ({"Volumes": ["/a"]}, "config.Volumes must be an object, not a list"),
        ({"Healthcheck": True}, "config.Healthcheck must be an object, not true"),
    ],
)
def test_fields_of_the_wrong_kind_are_refused_with_their_place(fields: Document, place: str) -> None:
    assert refusal(with_run(**fields)) == f"the image configuration.{place}"


@pytest.mark.parametrize(
    ("rootfs", "why"),
    [
        (None, "lacks rootfs"),
        ({"diff_ids": []}, "rootfs.type must be layers, not ''"),
        ({"type": "layers+base", "diff_ids": []}, "rootfs.type must be layers, not 'layers+base'"),
        ({"type": "layers", "diff_ids": ["sha256:no"]}, "'sha256:no' is not a digest"),
        ({"type": "layers", "diff_ids": digest("a")}, "rootfs.diff_ids must be a list"),
    ],
)
def test_the_layers_must_be_told(rootfs: Any, why: str) -> None:
    assert why in refusal({**with_run(), "rootfs": rootfs})


def test_history_is_a_list_of_objects() -> None:
    assert "history[0] must be an object" in refusal({**with_run(), "history": ["a"]})
    assert "history[0].empty_layer must be true or false" in refusal({**with_run(), "history": [{"empty_layer": 1}]})


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["os", "config", "rootfs", "history", "created"]), VALUE),
    st.dictionaries(st.sampled_from(["User", "Env", "Labels", "Cmd", "Healthcheck", "Volumes"]), VALUE),
)
def test_whatever_stands_in_a_field_is_read_or_refused(changes: Document, run: Document) -> None:
    with suppress(InvalidContentError):
        read_config(body({**with_run(**run), **changes}))
