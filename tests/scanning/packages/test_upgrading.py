"""How to get a newer version, by the tool of each ecosystem."""

import pytest

from scanning.packages.upgrading import Upgrade, upgrade_steps


@pytest.mark.parametrize(
    ("purls", "steps"),
    [
        (
            ["pkg:deb/debian/openssl@1?arch=amd64", "pkg:deb/debian/libssl3@1"],
            ["RUN apt-get update && apt-get install -y --only-upgrade libssl3 openssl"],
        ),
        (["pkg:apk/alpine/openssl@1"], ["RUN apk add --no-cache --upgrade openssl"]),
        (["pkg:rpm/almalinux/openssl@1"], ["RUN dnf upgrade -y openssl"]),
        (["pkg:pypi/jinja2@2.10"], ["pip install --upgrade 'jinja2>=2.0'"]),
        (["pkg:npm/%40scope/name@1"], ["npm install @scope/name@2.0"]),
        (["pkg:golang/golang.org/x/net@v0.1"], ["go get golang.org/x/net@v2.0 && go mod tidy"]),
        (["pkg:golang/stdlib@1.20"], ["build with Go 2.0 or later"]),
        (["pkg:cargo/time@1"], ["cargo update --package time --precise 2.0"]),
        (["pkg:gem/rack@1"], ["bundle update rack  # 2.0 or later"]),
        (["pkg:composer/twig/twig@1"], ["composer require twig/twig:^2.0"]),
        (["pkg:nuget/Json@1"], ["dotnet add package Json --version 2.0"]),
        (
            [
                "pkg:nuget/Microsoft.NETCore.App.Runtime.linux-x64@1",
                "pkg:nuget/Microsoft.AspNetCore.App.Runtime.linux-x64@1",
            ],
            ["publish it with an SDK that has the .NET runtime 2.0 or later"],
        ),
        (["pkg:maven/org.apache/log4j@1"], ["upgrade org.apache:log4j to 2.0 or later"]),
        (["pkg:generic/nginx@1"], ["upgrade nginx to 2.0 or later"]),
        (
            ["pkg:npm/b@1", "pkg:deb/debian/a@1"],
            [
                "RUN apt-get update && apt-get install -y --only-upgrade a",
                "npm install b@2.0",
            ],
        ),
    ],
)
def test_each_ecosystem_has_its_own_way(purls: list[str], steps: list[str]) -> None:
    assert list(upgrade_steps(Upgrade(purl, "2.0") for purl in purls)) == steps


def test_what_an_image_calls_its_packages_is_quoted_for_the_shell() -> None:
    (step,) = upgrade_steps([Upgrade("pkg:pypi/x%3B%20rm%20-rf%20~@1", "2")])
    assert step == "pip install --upgrade 'x; rm -rf ~>=2'"
