"""The history of the tables, as Alembic revisions in `versions/`: one file per change, numbered, never edited later.

After a change to `storage.schema` the next file is written by hand; a test compares the tables that the revisions
make with the schema, on both databases.
"""

from importlib.resources import files

import sqlalchemy as sa

from storage.errors import StorageError

_LOCK = 0x696D616765676174
"""`imagegat`: the number of PostgreSQL's advisory lock."""


def upgrade(connection: sa.Connection, revision: str = "head") -> None:
    """Bring the tables up to date, or to `revision`, inside the transaction of `connection`: all steps or none.

    Processes that start at the same time wait for each other: on SQLite for the write lock that the transaction
    has, on PostgreSQL for an advisory lock that ends with it. Raises `StorageError` for tables of a newer version.
    """
    if revision == "head" and _is_up_to_date(connection):
        return
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    from alembic import command  # noqa: PLC0415 - large, and needed by the first start of a version only
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "storage:migrations")  # found wherever the package is installed
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise StorageError(
            f"the tables of the database are of another version ({error}); run the imagegate that last used it, or a"
            " newer one"
        ) from error


def _is_up_to_date(connection: sa.Connection) -> bool:
    """Whether the tables are those of the newest revision."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return False
    found = connection.scalars(sa.text("SELECT version_num FROM alembic_version")).all()
    revisions = (file.name.partition("_")[0] for file in files("storage.migrations.versions").iterdir())
    return list(found) == [max(revision for revision in revisions if revision.isdecimal())]
