"""Nix: which folders of the store are packages, and how their names are taken apart."""

import pytest

from scanning.packages import nix

HASH = "k8h2j4c4x2m8ccz4i1m3q7kkd9bk1zr2"


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("hello-2.12.1", ("hello", "2.12.1")),
        ("openssl-3.0.14-bin", ("openssl", "3.0.14")),
        ("glibc-2.39-52", ("glibc", "2.39-52")),
        ("python3.11-requests-2.31.0", ("python3.11-requests", "2.31.0")),
        ("gcc-wrapper-13.2.0", ("gcc-wrapper", "13.2.0")),
        ("nss-cacert-3.98", ("nss-cacert", "3.98")),
        ("source", None),
        ("builder.sh", None),
        ("hello-2.12.1.drv", None),
        ("hello-2.12.1.tar.gz", None),
    ],
)
def test_a_folder_of_the_store_is_a_name_and_a_version(folder: str, expected: tuple[str, str] | None) -> None:
    package = nix.package(f"{HASH}-{folder}")
    assert (package and (package.name, package.version)) == expected


@pytest.mark.parametrize("folder", ["hello-2.12.1", f"{HASH[:-1]}-hello-2.12.1", f"{HASH[:-1]}e-hello-2.12.1", HASH])
def test_what_has_no_hash_of_nix_is_no_package(folder: str) -> None:
    assert nix.package(folder) is None
