"""Real Debian systems, from layer bytes to image facts."""

import json

import pytest

from config.vocabulary import ToolKind
from scanning.facts import Evidence, ImageFacts, LayerFacts
from scanning.files.examine import Examiner
from scanning.layers.inspect import inspect_layer
from scanning.layers.limits import InspectionLimits
from scanning.layers.overlay import assemble
from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor, ImageConfig, Manifest, ManifestKind, Platform
from tests.real_images import real_image
from tests.scanning.layers.test_overlay import image

NETWORK = {ToolKind.SSH_CLIENT, ToolKind.SSH_SERVER, ToolKind.NETCAT, ToolKind.TELNET}


def layer_of(kind: str) -> LayerFacts:
    """The one layer of a real system."""
    packed = real_image(kind)
    (described,) = json.loads(packed.manifest)["layers"]
    return inspect_layer([packed.blobs[Digest.parse(described["digest"])]], InspectionLimits(), Examiner())


def facts_of(kind: str) -> ImageFacts:
    image = real_image(kind)
    document = json.loads(image.manifest)
    (described,) = document["layers"]
    digest = Digest.parse(described["digest"])
    layer = inspect_layer([image.blobs[digest]], InspectionLimits(), Examiner())
    manifest = Manifest(
        image.digest,
        image.media_type,
        len(image.manifest),
        ManifestKind.IMAGE,
        Descriptor(document["config"]["mediaType"], Digest.parse(document["config"]["digest"]), 1),
        (Descriptor(described["mediaType"], digest, described["size"]),),
    )
    return assemble(manifest, ImageConfig(Platform("linux", "amd64"), (layer.diff_id,), user="nobody"), [layer])


@pytest.mark.real
def test_a_minimal_debian_is_clean() -> None:
    facts = facts_of("patched")
    assert facts.problems == ()
    assert facts.secrets == ()
    assert not {tool.kind for tool in facts.tools} & NETWORK
    assert facts.distribution is not None
    assert (facts.distribution.id, facts.distribution.version_id) == ("debian", "12")
    assert not facts.runs_as_root
    assert {"pkg:deb/debian/dpkg"} <= {package.purl.partition("@")[0] for package in facts.packages}


@pytest.mark.real
def test_the_tools_of_stock_debian_are_these_and_no_others() -> None:
    assert [
        (tool.kind, tool.name, tool.path, tool.package.partition(" ")[0]) for tool in facts_of("patched").tools
    ] == [
        (ToolKind.PRIVILEGE, "su", "usr/bin/su", "util-linux"),
        (ToolKind.PACKAGE_MANAGER, "apt", "usr/bin/apt", "apt"),
        (ToolKind.PACKAGE_MANAGER, "dpkg", "usr/bin/dpkg", "dpkg"),
        (ToolKind.SHELL, "bash", "usr/bin/bash", "bash"),
        (ToolKind.SHELL, "sh", "usr/bin/sh", "dash"),
    ]


@pytest.mark.real
def test_an_installed_ssh_client_is_one_tool_with_its_package() -> None:
    facts = facts_of("ssh")
    (tool,) = (tool for tool in facts.tools if tool.kind in NETWORK)
    assert (tool.kind, tool.name, tool.path, tool.evidence) == (
        ToolKind.SSH_CLIENT,
        "ssh",
        "usr/bin/ssh",
        Evidence.CONTENT,
    )
    assert tool.package.startswith("openssh-client 1:9.2p1-")


@pytest.mark.real
def test_stock_debian_has_no_weakness_in_its_files_and_openssh_adds_two_set_id_programs() -> None:
    assert [weakness.check for weakness in facts_of("patched").weaknesses] == ["H14"]
    added = [(one.check, one.where) for one in facts_of("ssh").weaknesses]
    assert sorted(added) == [
        ("H14", "the image configuration"),
        ("H16", "usr/bin/ssh-agent"),
        ("H16", "usr/lib/openssh/ssh-keysign"),
    ]


@pytest.mark.real
def test_upgrading_a_real_debian_replaces_programs_only_in_the_name_of_newer_packages() -> None:
    old, new = layer_of("unpatched"), layer_of("patched")
    facts = image(old, new)
    before = {package.purl for package in image(old).packages}
    assert facts.replaced
    assert [file for file in facts.replaced if not file.purl or file.purl in before] == []
