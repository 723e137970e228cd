"""Whole gates that listen, for people at their consoles."""

from dataclasses import dataclass

import aiohttp

from config.patterns import RepositoryPattern
from proxy.clock import utc_now
from proxy.identity import tokens
from proxy.identity.principal import Role
from proxy.identity.tokens import NewGrant
from proxy.services import Services
from tests.proxy.console.browser import Browser
from tests.proxy.face import ADMINISTRATOR, basic


@dataclass(frozen=True)
class Gate:
    """A gate that listens."""

    url: str
    session: aiohttp.ClientSession
    services: Services

    async def signed_in(self, role: Role, pattern: str = "**") -> Browser:
        """A browser of somebody with a role."""
        browser = Browser(self)
        assert (await browser.sign_in(await self.token(role, pattern, "alice"))).heading == "Overview"
        return browser

    async def token(self, role: Role, pattern: str, name: str) -> str:
        new = NewGrant(name, role, (RepositoryPattern(pattern),))
        _, token = await tokens.create(self.services.database, new, ADMINISTRATOR, utc_now())
        return token.text

    async def pull(self, tag: str, name: str) -> None:
        headers = {"Authorization": basic(await self.token(Role.OPERATOR, "team/**", name))}
        async with self.session.get(f"{self.url}/v2/team/app/manifests/{tag}", headers=headers) as response:
            assert response.status == 200
