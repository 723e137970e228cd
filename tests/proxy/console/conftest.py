"""People at the console of a running face."""

from collections.abc import Awaitable, Callable

import pytest

from proxy.identity.principal import Role
from tests.proxy.console.browser import Browser
from tests.proxy.face import Face

SignedIn = Callable[..., Awaitable[Browser]]


@pytest.fixture
def signed_in(face: Face) -> SignedIn:
    """A browser of somebody with a role, on all repositories unless told otherwise."""

    async def sign_in(role: Role, *patterns: str, name: str = "alice") -> Browser:
        _, token = await face.new_token(role, *(patterns or ("**",)), name=name)
        browser = Browser(face)
        page = await browser.sign_in(token)
        assert page.heading == "Overview", page.text
        return browser

    return sign_in


@pytest.fixture
async def developer(signed_in: SignedIn) -> Browser:
    """A developer of team/**."""
    return await signed_in(Role.DEVELOPER, "team/**", name="dora")


@pytest.fixture
async def admin(signed_in: SignedIn) -> Browser:
    """An admin of everything."""
    return await signed_in(Role.ADMIN)
