"""Documents of installers in which anything stands where something else is expected: read, or refused, and no error."""

import json
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanning.errors import InvalidContentError
from scanning.layers.limits import InspectionLimits
from scanning.packages import catalogers, ownership

_DOCUMENTS = {
    "srv/node_modules/a/package.json": {
        "name": "@a/b",
        "version": "1",
        "license": {"type": "MIT"},
        "licenses": ["MIT"],
    },
    "srv/vendor/composer/installed.json": {"packages": [{"name": "a/b", "version": "v1.0", "license": ["MIT"]}]},
    "app/a.deps.json": {"libraries": {"A.B/1.0.0": {"type": "package"}, "App/1.0": {"type": "project"}}},
    "opt/conda/conda-meta/a-1-0.json": {
        "name": "a",
        "version": "1",
        "license": "MIT",
        "subdir": "noarch",
        "files": ["lib/a"],
        "paths_data": {"paths": [{"_path": "lib/a", "sha256": "00", "sha256_in_prefix": "11"}]},
    },
    "opt/bitnami/a/.spdx-a.spdx": {
        "packages": [
            {
                "name": "a",
                "versionInfo": "1",
                "licenseDeclared": "MIT",
                "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:bitnami/a@1"}],
            }
        ]
    },
}
_VALUES: list[Any] = [
    *("", "x", "\ud800", "../a", "pkg:bitnami/%ZZ@"),
    None,
    True,
    -1,
    1.5,
    float("inf"),
    2**64,
    [],
    {},
    [[1]],
]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a document, and where in it something stands."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


@pytest.mark.parametrize("path", _DOCUMENTS)
@given(data=st.data())
def test_whatever_stands_in_a_document_it_is_read_or_refused(path: str, data: st.DataObject) -> None:
    document: list[Any] = [deepcopy(_DOCUMENTS[path])]
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from([*_places(document)]))
        container[key] = deepcopy(data.draw(st.sampled_from(_VALUES)))
    content = json.dumps(document[0]).encode()
    with suppress(InvalidContentError):
        catalogers.read(path, content, InspectionLimits())
    with suppress(InvalidContentError):
        ownership.read(path, content)
