"""Several registries behind one gate: which of them has a repository, and what it is called there."""

import asyncio

import pytest

from proxy.upstream.port import (
    BrokenContentError,
    Upload,
    UploadUnknownError,
    UpstreamReadOnlyError,
    UpstreamRefusedError,
    UpstreamUnavailableError,
)
from proxy.upstream.routed import Route, RoutedUpstream
from scanning.errors import InvalidNameError
from scanning.oci.digest import Digest
from scanning.oci.media_types import OCI_MANIFEST
from scanning.oci.names import MAX_REPOSITORY_LENGTH, Repository, Tag
from tests.proxy.upstream.oci_content import chunks
from tests.simulators import MemoryUpstream

BLOB = b"0123456789"
DIGEST = Digest.of(BLOB)
TAG = Tag("v1")


class Registry(MemoryUpstream):
    """One that lists its repositories, or does not."""

    refuses_catalog = False

    async def repositories(self) -> tuple[Repository, ...]:
        if self.is_down:
            raise UpstreamUnavailableError("the simulated upstream is down")
        if self.refuses_catalog:
            raise UpstreamRefusedError("the simulated upstream has no catalogue for you")
        return tuple(sorted({name for name, _ in self.blobs}))

    def hold(self, *names: str) -> None:
        for name in names:
            self.blobs[Repository(name), DIGEST] = BLOB


@pytest.fixture
def home() -> Registry:
    return Registry()


@pytest.fixture
def hub() -> Registry:
    return Registry()


@pytest.fixture
def routed(home: Registry, hub: Registry) -> RoutedUpstream:
    return RoutedUpstream(Route(home), [Route(hub, prefix="hub")])


async def where(routed: RoutedUpstream, name: str) -> int | None:
    return await routed.blob_size(Repository(name), DIGEST)


async def read(routed: RoutedUpstream, repository: Repository) -> bytes:
    async with routed.open_blob(repository, DIGEST) as stream:
        assert stream is not None
        return b"".join([chunk async for chunk in stream.chunks])


async def test_the_prefix_says_which_registry_and_is_not_part_of_the_name_there(
    routed: RoutedUpstream, home: Registry, hub: Registry
) -> None:
    hub.hold("library/nginx")
    home.hold("team/app")
    assert await where(routed, "hub/library/nginx") == 10
    assert await where(routed, "library/nginx") is None
    assert await where(routed, "team/app") == 10
    assert await where(routed, "hub/team/app") is None


async def test_a_prefix_is_whole_parts_with_something_behind(routed: RoutedUpstream, home: Registry) -> None:
    home.hold("hubble/app", "hub", "a/hub/app")
    assert [await where(routed, name) for name in ("hubble/app", "hub", "a/hub/app")] == [10, 10, 10]


async def test_the_longest_prefix_decides_in_whatever_order_they_are_given(home: Registry, hub: Registry) -> None:
    inner = Registry()
    inner.hold("app")
    hub.hold("other/app")
    for routes in ([Route(hub, "m"), Route(inner, "m/inner")], [Route(inner, "m/inner"), Route(hub, "m")]):
        routed = RoutedUpstream(Route(home), routes)
        assert await where(routed, "m/inner/app") == 10
        assert await where(routed, "m/other/app") == 10


async def test_a_namespace_stands_before_the_name_there(home: Registry, hub: Registry) -> None:
    routed = RoutedUpstream(Route(home), [Route(hub, "hub", namespace="library")])
    hub.hold("library/nginx", "private/app")
    assert await where(routed, "hub/nginx") == 10
    assert await where(routed, "hub/private/app") is None
    assert await routed.repositories() == (Repository("hub/nginx"),)


async def test_a_name_that_is_too_long_there_is_no_name(home: Registry, hub: Registry) -> None:
    routed = RoutedUpstream(Route(home), [Route(hub, "hub", namespace="library")])
    with pytest.raises(InvalidNameError):
        await where(routed, "hub/" + "a" * (MAX_REPOSITORY_LENGTH - 4))


# --- lists


async def test_the_catalogue_is_that_of_all_and_leaves_out_what_cannot_be_reached_there(
    routed: RoutedUpstream, home: Registry, hub: Registry
) -> None:
    home.hold("team/app", "hub/hidden")
    hub.hold("library/nginx", "x" * MAX_REPOSITORY_LENGTH)
    assert await routed.repositories() == (Repository("hub/library/nginx"), Repository("team/app"))


@pytest.mark.parametrize("trouble", ["is_down", "refuses_catalog"])
async def test_an_upstream_without_a_catalogue_does_not_break_the_list(
    routed: RoutedUpstream, home: Registry, hub: Registry, trouble: str
) -> None:
    home.hold("team/app")
    setattr(hub, trouble, True)
    assert await routed.repositories() == (Repository("team/app"),)


async def test_an_upstream_that_does_not_come_to_an_end_does_not_stop_the_list(home: Registry) -> None:
    class Endless(Registry):
        async def repositories(self) -> tuple[Repository, ...]:
            await asyncio.Event().wait()
            return ()

    home.hold("team/app")
    routed = RoutedUpstream(Route(home), [Route(Endless(), "hub")], patience=0.05)
    assert await routed.repositories() == (Repository("team/app"),)


async def test_a_registry_without_a_catalogue_lists_nothing_though_it_is_alone(home: Registry) -> None:
    home.refuses_catalog = True
    assert await RoutedUpstream(Route(home)).repositories() == ()


async def test_there_is_no_list_while_the_default_one_is_down(
    routed: RoutedUpstream, home: Registry, hub: Registry
) -> None:
    home.is_down = hub.refuses_catalog = True
    with pytest.raises(UpstreamUnavailableError):
        await routed.repositories()


# --- mounts and uploads


async def test_a_blob_is_mounted_within_one_registry_only(
    routed: RoutedUpstream, home: Registry, hub: Registry
) -> None:
    hub.hold("library/nginx", "app")
    home.hold("app")
    assert await routed.mount_blob(Repository("hub/copy"), DIGEST, Repository("hub/app")) is True
    assert await routed.mount_blob(Repository("hub/other"), DIGEST, Repository("app")) is False
    assert await routed.mount_blob(Repository("copy"), DIGEST, Repository("hub/app")) is False
    assert (Repository("copy"), DIGEST) in hub.blobs
    assert (Repository("other"), DIGEST) not in hub.blobs
    assert (Repository("copy"), DIGEST) not in home.blobs


async def test_an_upload_goes_on_where_it_was_begun(routed: RoutedUpstream, hub: Registry) -> None:
    repository = Repository("hub/app")
    upload = await routed.append(repository, await routed.begin_upload(repository), chunks(BLOB[:5]))
    upload = await routed.append(repository, await routed.upload_status(repository, upload), chunks(BLOB[5:]))
    await routed.finish_upload(repository, upload, DIGEST)
    assert hub.blobs == {(Repository("app"), DIGEST): BLOB}


async def test_an_upload_is_unknown_to_every_other_registry(
    routed: RoutedUpstream, home: Registry, hub: Registry
) -> None:
    """As after a change of the settings, which says that the repository is now somewhere else."""
    begun = await routed.begin_upload(Repository("hub/app"))
    default = await RoutedUpstream(Route(home)).begin_upload(Repository("hub/app"))
    elsewhere = RoutedUpstream(Route(home), [Route(Registry(), prefix="hub/app")])
    for gate, upload in ((routed, default), (elsewhere, begun), (routed, Upload(f" {begun.state}", 0))):
        with pytest.raises(UploadUnknownError):
            await gate.upload_status(Repository("hub/app"), upload)
        with pytest.raises(UploadUnknownError):
            await gate.append(Repository("hub/app"), upload, chunks(BLOB))
        with pytest.raises(UploadUnknownError):
            await gate.finish_upload(Repository("hub/app"), upload, DIGEST)
        with pytest.raises(UploadUnknownError):
            await gate.cancel_upload(Repository("hub/app"), upload)
    assert (len(hub.uploads), len(home.uploads)) == (1, 1)


# --- read-only


async def test_nothing_is_written_to_a_read_only_registry(home: Registry, hub: Registry) -> None:
    routed = RoutedUpstream(Route(home), [Route(hub, "hub", read_only=True)])
    hub.hold("app")
    repository, upload = Repository("hub/app"), Upload("hub 1", 0)
    for write in (
        lambda: routed.put_manifest(repository, TAG, OCI_MANIFEST, b"{}"),
        lambda: routed.delete_manifest(repository, DIGEST),
        lambda: routed.delete_tag(repository, TAG),
        lambda: routed.delete_blob(repository, DIGEST),
        lambda: routed.mount_blob(repository, DIGEST, Repository("hub/app")),
        lambda: routed.begin_upload(repository),
        lambda: routed.append(repository, upload, chunks(BLOB)),
        lambda: routed.finish_upload(repository, upload, DIGEST),
    ):
        with pytest.raises(UpstreamReadOnlyError, match=r"hub/app can only be pulled: .* access: read-write"):
            await write()
    with pytest.raises(UpstreamReadOnlyError):
        routed.check_writable(repository)
    routed.check_writable(Repository("app"))
    assert await routed.blob_size(repository, DIGEST) == 10
    assert (hub.uploads, hub.manifests) == ({}, {})


async def test_the_only_upstream_can_be_read_only_too(home: Registry) -> None:
    with pytest.raises(UpstreamReadOnlyError):
        RoutedUpstream(Route(home, read_only=True)).check_writable(Repository("app"))


# --- errors and health


async def test_an_error_says_which_registry_it_came_from(home: Registry, hub: Registry) -> None:
    routed = RoutedUpstream(Route(home), [Route(hub, "mirrors/hub")])
    hub.hold("app")
    hub.cut_after = 3
    with pytest.raises(BrokenContentError, match=r"^mirrors/hub: the simulated"):
        await read(routed, Repository("mirrors/hub/app"))


async def test_each_registry_is_asked_on_its_own_whether_it_answers(
    routed: RoutedUpstream, home: Registry, hub: Registry
) -> None:
    hub.is_down = True
    await routed.check()
    with pytest.raises(UpstreamUnavailableError):
        await routed.further_checks["hub"]()


async def test_every_registry_is_closed_though_one_fails(home: Registry, hub: Registry) -> None:
    closed: list[str] = []

    class Closing(Registry):
        async def close(self) -> None:
            closed.append("closed")

    class Failing(Registry):
        async def close(self) -> None:
            raise UpstreamUnavailableError("it does not let go")

    routed = RoutedUpstream(Route(Closing()), [Route(Failing(), "b"), Route(Closing(), "a")])
    with pytest.raises(UpstreamUnavailableError):
        await routed.close()
    assert closed == ["closed", "closed"]
