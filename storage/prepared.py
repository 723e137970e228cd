"""INSERTs put together once for each database: looking up for each row how it is written took most of the time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import sqlalchemy as sa

from storage.batches import batches
from storage.database import Transaction

_ROWS_AT_ONCE = 200
"""Between them the event loop answers requests."""


@dataclass(frozen=True, slots=True)
class PreparedInsert:
    """A statement as a driver takes it, with the columns of its parameters, and how those are written that need it."""

    statement: str
    columns: tuple[tuple[str, Callable[[Any], Any] | None], ...]

    @classmethod
    def of(cls, insertion: sa.Insert, dialect: sa.Dialect, *left_out: sa.Column[Any]) -> Self:
        """Prepare `insertion`, which adds rows to a table with all of its columns but those that are left out."""
        columns = [column for column in insertion.table.columns if column not in set(left_out)]
        compiled = insertion.compile(dialect=dialect, column_keys=[column.name for column in columns])
        if compiled.positiontup is None:
            raise NotImplementedError(f"rows are not prepared for {dialect.name}")
        writers = {column.name: column.type.bind_processor(dialect) for column in columns}
        return cls(str(compiled), tuple((name, writers[name]) for name in compiled.positiontup))

    async def add(self, tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows, a few at a time."""
        for some in batches(rows, _ROWS_AT_ONCE):
            await tx.exec_driver_sql(self.statement, [self._values(row) for row in some])

    def _values(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple([row[name] if write is None else write(row[name]) for name, write in self.columns])
