"""How two images differ."""

from dataclasses import replace

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from scanning.advisories.model import AdvisoryBasis, AdvisoryReport
from scanning.contents import FileState
from scanning.difference import Change, Difference, Side, compare
from scanning.facts import ChangedFile, ImageFacts, OsRelease, Package, Secret, UnownedFile, Weakness
from scanning.oci.digest import Digest
from scanning.oci.manifest import ImageConfig, Platform
from tests.scanning.signatures.signing import new_key
from tests.scanning.test_judge import FINDING, OPENSSL, SSH, facts

NOTHING = AdvisoryReport(AdvisoryBasis())
VULNERABLE = AdvisoryReport(AdvisoryBasis(), (FINDING,))
PRIVATE = new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
SETUID = Weakness("H16", "usr/bin/ping", "its mode is 4755, its owner 0:0")


def package(name: str, version: str) -> Package:
    return replace(OPENSSL, name=name, version=version)


def difference(before: ImageFacts, after: ImageFacts) -> Difference:
    return compare(Side(before, NOTHING), Side(after, NOTHING))


def test_an_image_does_not_differ_from_itself_wherever_its_layers_come_from() -> None:
    same = replace(
        facts(tools=(SSH,)), packages=(replace(OPENSSL, layer=Digest.of(b"other")),), manifest=Digest.of(b"other")
    )
    assert difference(facts(tools=(SSH,)), same).is_empty


def test_packages_that_came_went_and_changed_are_told_apart() -> None:
    before = facts(packages=(package("a", "1"), package("b", "1"), package("c", "1")))
    after = facts(packages=(package("b", "2"), package("c", "1"), package("d", "1")))
    found = difference(before, after)
    assert [one.name for one in found.packages_added] == ["d"]
    assert [one.name for one in found.packages_removed] == ["a"]
    assert found.packages_changed == (Change("deb b", "1", "2"),)


def test_a_second_version_of_a_package_is_a_change() -> None:
    found = difference(facts(packages=(package("a", "1"),)), facts(packages=(package("a", "2"), package("a", "1"))))
    assert found.packages_changed == (Change("deb a", "1", "1, 2"),)


def test_a_licence_that_changed_is_told() -> None:
    found = difference(
        facts(packages=(replace(OPENSSL, licences=("MIT",)),)),
        facts(packages=(replace(OPENSSL, licences=("Apache-2.0", "MIT")),)),
    )
    assert found.licences == (Change("deb libssl3", "MIT", "Apache-2.0, MIT"),)


def test_files_without_a_package_and_changed_files_count_by_their_content() -> None:
    unowned = UnownedFile("srv/app", "aa", Digest.of(b"one"))
    changed = ChangedFile("usr/bin/x", "x 1", "bb", Digest.of(b"one"))
    before = facts(unowned=(unowned,), changed=(changed,))
    after = facts(unowned=(replace(unowned, sha256="cc"),), changed=(replace(changed, layer=Digest.of(b"two")),))
    found = difference(before, after)
    assert [one.sha256 for one in (*found.unowned_added, *found.unowned_removed)] == ["cc", "aa"]
    assert (found.altered_added, found.altered_removed) == ((), ())


def test_secrets_that_came_and_went_are_told() -> None:
    key = Secret("private-key", "root/key", 1, Digest.of(b"layer"))
    assert difference(facts(), facts(secrets=(key,))).secrets_added == (key,)
    assert difference(facts(secrets=(key,)), facts()).secrets_removed == (key,)


def test_programs_are_compared_where_both_are_known() -> None:
    ping = FileState(0o755, 0, 0, 10, "aa")
    before = Side(facts(), NOTHING, config=CONFIG, programs={"bin/ping": ping, "bin/old": ping, "bin/same": ping})
    after = replace(before, programs={"bin/ping": replace(ping, mode=0o4755), "bin/new": ping, "bin/same": ping})
    assert compare(before, after).files == (
        Change("bin/new", "none", "0755 0:0 10 bytes, sha256:aa"),
        Change("bin/old", "0755 0:0 10 bytes, sha256:aa", "none"),
        Change("bin/ping", "0755 0:0 10 bytes, sha256:aa", "4755 0:0 10 bytes, sha256:aa"),
    )
    unknown = compare(before, replace(after, programs=None))
    assert (unknown.files, unknown.is_empty) == ((), True)
    assert unknown.left_out[0].startswith("the files: a layer is not on record")


CONFIG = ImageConfig(Platform("linux", "amd64"), ())


def configured(before: ImageConfig, after: ImageConfig, image: ImageFacts | None = None) -> tuple[Change, ...]:
    """How two configurations differ."""
    sides = [Side(image or facts(), NOTHING, config=config, programs={}) for config in (before, after)]
    return compare(*sides).configuration


def test_everything_that_a_runtime_is_told_is_compared() -> None:
    other = replace(
        CONFIG,
        entrypoint=("/entry", "a b"),
        command=("serve",),
        exposed_ports=("80/tcp",),
        volumes=("/data",),
        healthcheck=("CMD", "/check"),
        working_directory="/srv",
        stop_signal="SIGQUIT",
        environment=("MODE=fast",),
        labels={"team": "a"},
    )
    assert configured(CONFIG, other) == (
        Change("entrypoint", "none", '["/entry", "a b"]'),
        Change("cmd", "none", '["serve"]'),
        Change("exposed ports", "none", '["80/tcp"]'),
        Change("volumes", "none", '["/data"]'),
        Change("healthcheck", "none", '["CMD", "/check"]'),
        Change("working directory", "none", "/srv"),
        Change("stop signal", "none", "SIGQUIT"),
        Change("env MODE", "none", "fast"),
        Change("label team", "none", "a"),
    )
    assert configured(other, other) == ()


def test_the_base_image_is_compared() -> None:
    before = Side(facts(), NOTHING, "base/debian:12", CONFIG, {})
    assert compare(before, replace(before, base="")).configuration == (Change("base image", "base/debian:12", "none"),)


def test_a_secret_in_the_configuration_is_never_told() -> None:
    image = facts(secrets=(Secret("password", "env DB_PASSWORD"),))
    old = replace(CONFIG, environment=("DB_PASSWORD=hunter2",), labels={"key": PRIVATE})
    new = replace(CONFIG, environment=("DB_PASSWORD=hunter3",), command=("run", PRIVATE))
    told = configured(old, new, image)
    assert Change("env DB_PASSWORD", "a secret", "a secret") in told
    assert Change("cmd", "none", "something with a secret in it") in told
    assert Change("label key", "a secret", "none") in told
    assert not any(word in str(told) for word in ("hunter", "BEGIN"))


def test_tools_weaknesses_findings_and_configuration_count_as_well() -> None:
    before = facts(weaknesses=(SETUID,))
    after = facts(tools=(SSH,), user="", distribution=OsRelease("debian", "13"), size=7)
    found = compare(Side(before, NOTHING), Side(after, VULNERABLE))
    assert found.tools_added == (SSH,)
    assert found.weaknesses_removed == (SETUID,)
    assert found.findings_added == (FINDING,)
    assert found.configuration == (Change("user", "app", "none"), Change("size", "0 bytes", "7 bytes"))
    back = compare(Side(after, VULNERABLE), Side(before, NOTHING))
    assert (back.tools_removed, back.weaknesses_added, back.findings_removed) == ((SSH,), (SETUID,), (FINDING,))
