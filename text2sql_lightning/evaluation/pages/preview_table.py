"""The first rows of a result as a table, and what is said of the others."""

from text2sql_lightning.evaluation.pages.document import Table
from text2sql_lightning.evaluation.pages.values import value_text
from text2sql_lightning.evaluation.previews import Preview


def preview_table(result: Preview) -> tuple[Table, str]:
    """Give the rows that are shown, and "... and 3 more rows", or nothing where these are all."""
    rows = [[value_text(value) for value in row] for row in result.rows]
    more = result.total - len(rows)
    note = f"... and {more:,} more row{'s' if more > 1 else ''}" if more else ""
    return Table(result.columns, rows, words=True), note
