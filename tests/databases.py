"""Real databases for tests: `database_url` is a fresh one per test, once on SQLite and once on PostgreSQL."""

import getpass
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from storage.database import Database
from tests.ports import free_port

_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "listen_addresses": "127.0.0.1",
}
"""Fast: these tests kill their own processes and never the server's machine."""


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server of our own, without passwords, on the loopback interface."""

    programs: Path
    user: str
    port: int
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def create_database(self) -> str:
        """A new, empty database; gives its URL."""
        name = f"test_{next(self._numbers)}"
        connection = ["--host=127.0.0.1", f"--port={self.port}", f"--username={self.user}"]
        subprocess.run([self.programs / "createdb", *connection, name], check=True)
        return f"postgresql+asyncpg://{self.user}@127.0.0.1:{self.port}/{name}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """PostgreSQL for as long as the tests run."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not installed:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    programs = installed[-1].parent
    # PostgreSQL refuses to run as root; its package brings a user of its own.
    user = "postgres" if os.geteuid() == 0 else getpass.getuser()
    folder = Path(tempfile.mkdtemp(prefix="imagegate-postgresql-"))
    try:
        shutil.chown(folder, user)
        data = folder / "data"
        make: list[str | Path] = [programs / "initdb", "--auth=trust", "--no-sync", "--no-locale", "--encoding=UTF8"]
        _run(user, folder, [*make, data])
        port = free_port()
        settings = _SETTINGS | {"port": str(port), "unix_socket_directories": str(folder)}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        control: list[str | Path] = [programs / "pg_ctl", "--pgdata", data, "--log", folder / "log", "--wait"]
        _run(user, folder, [*control, "--options", options, "start"])
        try:
            yield PostgresServer(programs, user, port)
        finally:
            _run(user, folder, [*control, "--mode=immediate", "stop"])
    finally:
        shutil.rmtree(folder)


def _run(user: str, folder: Path, command: Sequence[str | Path]) -> None:
    """No pipes: the server would inherit them, and keep whoever reads them waiting for ever."""
    if user == getpass.getuser():
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    else:
        subprocess.run(
            command, check=True, cwd=folder, stdout=subprocess.DEVNULL, user=user, group=user, extra_groups=[]
        )


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Where SQLite may make a database."""
    return f"sqlite+aiosqlite:///{tmp_path / 'database' / 'imagegate.sqlite3'}"


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """An empty database of PostgreSQL."""
    return postgres_server.create_database()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.real)])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database, without tables yet."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database with its tables."""
    opened = await Database.open(database_url)
    yield opened
    await opened.close()
