"""The tables are made and brought up to date by migrations, wherever the package is installed."""

import asyncio
import json
import os
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from storage import migrations
from storage.database import Database
from storage.engines import create_engines
from storage.errors import StorageError
from storage.migrations import versions
from storage.schema import audit, last_pulls, metadata, registry_blobs, registry_manifest_blobs

_OPEN = """
import asyncio, sys
from storage import migrations
from storage.database import Database

async def main():
    print(migrations.__file__)
    await (await Database.open(sys.argv[1])).close()

asyncio.run(main())
"""


def _newest_revision() -> str:
    return max(path.name for path in Path(versions.__path__[0]).glob("[0-9]*.py")).partition("_")[0]


async def test_the_migrations_make_the_tables_of_the_schema(database: Database) -> None:
    def differences(connection: sa.Connection) -> list[object]:
        options = {"compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    async with database.transaction() as tx:
        assert await tx.run_sync(differences) == []


async def test_what_manifests_refer_to_is_found_when_an_old_database_is_opened(database_url: str) -> None:
    engines = create_engines(database_url)
    body = json.dumps({"config": {"digest": "sha256:c"}, "layers": [{"digest": "sha256:l"}, {"digest": "sha256:l"}]})
    async with engines.writer.begin() as connection:
        await connection.run_sync(migrations.upgrade, "0003")
        await connection.execute(sa.text("INSERT INTO registry_blobs VALUES ('a/b', 'sha256:l', 7)"))
        await connection.execute(
            sa.text("INSERT INTO registry_manifests VALUES ('a/b', 'sha256:m', 'type', :body, NULL)"),
            {"body": body.encode()},
        )
        await connection.execute(
            sa.text("INSERT INTO registry_manifests VALUES ('a/b', 'sha256:i', 'type', :body, NULL)"),
            {"body": b'{"manifests": [{"digest": "sha256:m"}]}'},
        )
    await engines.dispose()

    database = await Database.open(database_url)
    async with database.snapshot() as tx:
        edges = await tx.execute(sa.select(registry_manifest_blobs).order_by(registry_manifest_blobs.c.blob))
        assert [tuple(row) for row in edges] == [("a/b", "sha256:m", blob) for blob in ("sha256:c", "sha256:l")]
        blob = (await tx.execute(sa.select(registry_blobs))).one()
        assert (blob.size, datetime.now(UTC) - blob.used_at < timedelta(hours=1)) == (7, True)
    await database.close()


async def test_who_pulled_what_last_is_found_when_an_old_database_is_opened(database_url: str) -> None:
    engines = create_engines(database_url)
    async with engines.writer.begin() as connection:
        await connection.run_sync(migrations.upgrade, "0019")
        for minute, actor, reference, digest, outcome in (
            (1, "west", "1.0", "sha256:old", "served"),
            (3, "west", "1.0", "sha256:new", "served"),
            (2, "west", "1.0", "sha256:late", "served"),
            (4, "west", "1.0", "sha256:refused", "denied"),
            (5, "west", "sha256:new", "sha256:new", "served"),
            (6, "east", "1.0", "sha256:old", "served"),
        ):
            values = {
                "at": datetime(2026, 3, 1, 12, minute, tzinfo=UTC),
                "actor": actor,
                "reference": reference,
                "digest": digest,
                "outcome": outcome,
            }
            same = {"event": "pull", "repository": "a/b"}
            empty = dict.fromkeys(("address", "verdict", "request_id", "detail"), "")
            await connection.execute(sa.insert(audit).values(**values, **same, **empty))
    await engines.dispose()

    database = await Database.open(database_url)
    async with database.snapshot() as tx:
        found = await tx.execute(sa.select(last_pulls).order_by(last_pulls.c.actor))
        assert [tuple(row) for row in found] == [
            ("a/b", "1.0", "east", "sha256:old", datetime(2026, 3, 1, 12, 6, tzinfo=UTC)),
            ("a/b", "1.0", "west", "sha256:new", datetime(2026, 3, 1, 12, 3, tzinfo=UTC)),
        ]
    await database.close()


async def test_processes_that_start_at_once_migrate_once(database_url: str) -> None:
    children = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", _OPEN, database_url, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    answers = [await child.communicate() for child in children]

    assert [child.returncode for child in children] == [0] * 3, answers
    database = await Database.open(database_url)
    async with database.snapshot() as tx:
        assert (await tx.scalars(sa.text("SELECT version_num FROM alembic_version"))).all() == [_newest_revision()]
    await database.close()


async def test_a_migration_that_fails_leaves_no_table(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("half-way")

    with monkeypatch.context() as patch:
        patch.setattr("alembic.runtime.migration.HeadMaintainer.update_to_step", fail)  # after the tables are made
        with pytest.raises(RuntimeError, match="half-way"):
            await Database.open(database_url)

    database = await Database.open(database_url)
    await database.check()
    await database.close()


def test_a_database_that_is_up_to_date_is_opened_without_its_history(database_url: str) -> None:
    subprocess.run([sys.executable, "-c", _OPEN, database_url], check=True, capture_output=True)
    program = f"import sys; sys.argv = ['', {database_url!r}]{_OPEN}print('alembic.command' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert answer.stdout.splitlines()[-1] == "False"


async def test_tables_of_a_newer_version_are_refused(database_url: str) -> None:
    database = await Database.open(database_url)
    async with database.transaction() as tx:
        await tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()

    with pytest.raises(StorageError, match=r"9999.*newer"):
        await Database.open(database_url)


def test_the_migrations_are_found_in_an_installed_wheel(sqlite_url: str, tmp_path: Path) -> None:
    project = Path(__file__).parents[2]
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=project, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")

    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-c", _OPEN, sqlite_url]
    answer = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)

    assert answer.stdout.startswith(str(tmp_path / "site"))
