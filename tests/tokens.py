"""Tokens for a gate that runs beside: made in this process, which spares the time a command takes to start."""

import asyncio

from config.patterns import RepositoryPattern
from proxy.clock import utc_now
from proxy.identity import tokens
from proxy.identity.administrator import Administrator
from proxy.identity.principal import Role
from proxy.identity.tokens import NewGrant
from storage.database import Database


def new_token(database_url: str, name: str, role: str, *repositories: str) -> str:
    """A new token for what the patterns match, as `imagegate token create` makes it."""
    grant = NewGrant(name, Role(role), tuple(map(RepositoryPattern, repositories)), None)
    return asyncio.run(_create(database_url, grant))


async def _create(database_url: str, grant: NewGrant) -> str:
    database = await Database.open(database_url)
    _, token = await tokens.create(database, grant, Administrator("tester", "127.0.0.1"), utc_now())
    await database.close()
    return token.text
