"""What a wrong answer returned beside what it should have returned."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from text2sql_lightning.evaluation.result_match import same_rows
from text2sql_lightning.sql.execution import Execution, Row, execute

SHOWN_ROWS: Final = 6


@dataclass(frozen=True)
class Preview:
    """The beginning of a result.

    Attributes:
        columns: Names of its columns.
        rows: Its first rows.
        total: How many rows it has.
        error: Class of the error, where there is no result.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    total: int
    error: str | None = None


@dataclass(frozen=True)
class Difference:
    """Both results of an example, and in what they differ.

    Attributes:
        kind: The prediction's error class, or `wrong_rows`, or `wrong_order` where the rows are the same.
        gold: What gold returns.
        predicted: What the prediction returns.
    """

    kind: str
    gold: Preview
    predicted: Preview


def find_difference(
    databases: Iterable[Path | bytes], gold: str, predicted: str, *, ordered: bool, timeout_s: float = 5.0
) -> Difference | None:
    """Run both queries, read-only, on one database after the other until they differ.

    Args:
        databases: SQLite files or serialized databases.
        gold: The query that is right.
        predicted: The query that was found wrong.
        ordered: Whether the order of rows counts.
        timeout_s: Seconds that each may take.

    Returns:
        The first difference; where none shows (a rule of the evaluation that the plain results do not know), the
        results on the first database, as `wrong_rows`. None without a database.
    """
    first: Difference | None = None
    for database in databases:
        right = execute(database, gold, timeout_s=timeout_s)
        answer = execute(database, predicted, timeout_s=timeout_s)
        kind = _kind(right, answer, ordered=ordered)
        difference = Difference(kind or "wrong_rows", _preview(right), _preview(answer))
        if kind is not None:
            return difference
        first = first or difference
    return first


def _kind(gold: Execution, predicted: Execution, *, ordered: bool) -> str | None:
    if predicted.error is not None:
        return predicted.error
    if not same_rows(gold.rows, predicted.rows, ordered=False):
        return "wrong_rows"
    return "wrong_order" if ordered and not same_rows(gold.rows, predicted.rows, ordered=True) else None


def _preview(execution: Execution) -> Preview:
    rows = tuple(execution.rows[:SHOWN_ROWS])
    return Preview(execution.columns, rows, len(execution.rows), execution.error)
