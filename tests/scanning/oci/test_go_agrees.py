"""Threat 39, from the other side: whatever the gate accepts, Go's `encoding/json` decodes to the same values.

Documents are mutated in the ways that are known to divide readers, and decoded by a real Go program.
"""

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scanning.errors import InvalidManifestError
from scanning.oci.manifest import Descriptor
from scanning.oci.media_types import OCI_MANIFEST
from scanning.oci.read import read_config, read_manifest
from tests.scanning.oci.shapes import CONFIGS, MANIFESTS, digest

Decode = Callable[[bytes], dict[str, Any]]

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("go") is None, reason="no Go compiler on PATH to build the other reader with"),
]
SETTINGS = settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("go")
    source = Path(__file__).parent / "go_reader" / "main.go"
    subprocess.run(["go", "build", "-o", folder / "reader", source], check=True, timeout=240)
    return folder / "reader"


def ask(program: Path, kind: str) -> Iterator[Decode]:
    with subprocess.Popen([program, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        to_go, from_go = process.stdin, process.stdout

        def decode(body: bytes) -> dict[str, Any]:
            to_go.write(base64.b64encode(body) + b"\n")
            to_go.flush()
            answer: dict[str, Any] = json.loads(from_go.readline())
            return answer

        yield decode


@pytest.fixture(scope="module")
def go_manifest(program: Path) -> Iterator[Decode]:
    yield from ask(program, "manifest")


@pytest.fixture(scope="module")
def go_image(program: Path) -> Iterator[Decode]:
    yield from ask(program, "image")


VALUES: tuple[Any, ...] = (None, True, 0, -1, 1.0, 2, "", "x", OCI_MANIFEST, digest("evil"), [], {}, 2**63)
ODD_TEXTS = ("1234.0", "12e2", "-0", "NaN", '"\\ud800"', '"\\u0000"', "01")
OTHER_VALUES = st.sampled_from([*map(json.dumps, VALUES), *ODD_TEXTS])
SPELLINGS: tuple[Callable[[str], str], ...] = (
    str.upper,
    str.capitalize,
    str.swapcase,
    lambda name: name.replace("s", "\u017f"),
    lambda name: name.replace("k", "\u212a"),
)


@dataclass
class Writer:
    """Writes JSON text, at one place in about 50 with a key repeated, left out or spelt in another way, or with
    another value. So about half of the documents are still accepted.
    """

    draw: st.DrawFn

    def write(self, value: Any) -> str:
        match value:
            case dict():
                return "{" + ", ".join(field for name in value for field in self._fields(name, value[name])) + "}"
            case list():
                return "[" + ", ".join(self.write(item) for item in value) + "]"
            case _:
                return self.draw(OTHER_VALUES) if self._now() else json.dumps(value)

    def _fields(self, name: str, value: Any) -> Iterator[str]:
        for _ in range(self.draw(st.sampled_from((0, 2))) if self._now() else 1):
            spelt = self.draw(st.sampled_from(SPELLINGS))(name) if self._now() else name
            yield f"{json.dumps(spelt, ensure_ascii=self._now())}: {self.write(value)}"

    def _now(self) -> bool:
        return self.draw(st.integers(0, 49)) == 7


@st.composite
def rendered(draw: st.DrawFn, document: Any) -> bytes:
    return Writer(draw).write(document).encode()


def told(descriptor: Descriptor | None) -> dict[str, Any] | None:
    if descriptor is None:
        return None
    found = {"mediaType": descriptor.media_type, "digest": str(descriptor.digest), "size": descriptor.size}
    return found | ({"urls": list(descriptor.urls)} if descriptor.urls else {})


@SETTINGS
@given(st.data())
def test_t39_go_reads_the_same_manifest(go_manifest: Decode, data: st.DataObject) -> None:
    document, _ = MANIFESTS[data.draw(st.sampled_from(sorted(MANIFESTS)))]
    body = data.draw(rendered(document))
    try:
        ours = read_manifest(body, document.get("mediaType", OCI_MANIFEST))
    except InvalidManifestError:
        return
    theirs = go_manifest(body)["manifest"]
    assert theirs["schemaVersion"] == 2
    assert theirs["mediaType"] in ("", ours.media_type)
    assert theirs["config"] == told(ours.config)
    assert (theirs["layers"] or []) == [told(layer) for layer in ours.layers]
    assert (theirs["manifests"] or []) == [told(child) for child in ours.children]
    assert theirs["subject"] == told(ours.subject)


@SETTINGS
@given(st.data())
def test_t39_go_reads_the_same_configuration(go_image: Decode, data: st.DataObject) -> None:
    body = data.draw(rendered(CONFIGS[data.draw(st.sampled_from(sorted(CONFIGS)))]))
    try:
        ours = read_config(body)
    except InvalidManifestError:
        return
    theirs = go_image(body)["image"]
    assert (theirs["os"], theirs["architecture"]) == (ours.platform.os, ours.platform.architecture)
    assert theirs["config"]["User"] == ours.user
    assert tuple(theirs["config"]["Env"] or ()) == ours.environment
    assert tuple(theirs["config"]["Entrypoint"] or ()) == ours.entrypoint
    assert tuple(theirs["config"]["Cmd"] or ()) == ours.command
    assert (theirs["config"]["Labels"] or {}) == ours.labels
    assert theirs["rootfs"]["type"] == "layers"
    assert tuple(theirs["rootfs"]["diff_ids"] or ()) == tuple(str(diff_id) for diff_id in ours.diff_ids)


@pytest.mark.parametrize("key", ["Layers", "layer\u017f", "LAYERS"])
def test_t39_go_takes_what_the_gate_refuses(go_manifest: Decode, key: str) -> None:
    document, _ = MANIFESTS["buildah"]
    body = json.dumps({**document, key: []}).encode()
    assert go_manifest(body)["manifest"]["layers"] == []
    with pytest.raises(InvalidManifestError):
        read_manifest(body, OCI_MANIFEST)
