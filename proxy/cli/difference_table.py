"""What `imagegate image diff` prints for people: one line a difference."""

from rich.table import Table

from proxy.cli.output import printable
from proxy.gate.difference_rows import difference_rows
from scanning.difference import Difference


def difference_table(difference: Difference) -> Table:
    """`+` came, `-` went, `~` changed."""
    table = Table("", "what", "before", "after", box=None, pad_edge=False)
    for row in difference_rows(difference, "--json"):
        table.add_row(*map(printable, row))
    return table
