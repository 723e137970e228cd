"""INSERT with ON CONFLICT, which SQLite and PostgreSQL both have, and SQL has not."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from storage.database import Transaction

Insert = postgresql.Insert | sqlite.Insert


def insert(tx: Transaction, table: sa.Table) -> Insert:
    """An INSERT into `table` that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return insert_on(tx.dialect, table)


def insert_on(dialect: sa.Dialect, table: sa.Table) -> Insert:
    """The same for a statement that is made once for every transaction."""
    return postgresql.insert(table) if dialect.name == "postgresql" else sqlite.insert(table)
