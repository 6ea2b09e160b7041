"""What a wrong answer returned beside what it should have returned."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from tqdm import tqdm

from text2sql_lightning.errors import DataError
from text2sql_lightning.evaluation.previews import Difference, Preview
from text2sql_lightning.evaluation.result_match import same_rows
from text2sql_lightning.sql.execution import Execution, execute
from text2sql_lightning.sql.filling import make_databases
from text2sql_lightning.sql.workers import Lost, map_chunks

SHOWN_ROWS: Final = 6
_LONGEST_VALUE: Final = 200
_CHUNK: Final = 16


@dataclass(frozen=True)
class WrongAnswer:
    """An answer that was found wrong.

    Attributes:
        database: SQLite files, or CREATE TABLE text from which databases are made.
        gold: The query that is right.
        predicted: The answer.
        ordered: Whether the order of rows counts.
        error: Class of the answer's error, where it is known: it does not run again then.
    """

    database: tuple[Path, ...] | str
    gold: str
    predicted: str
    ordered: bool
    error: str | None = None


def find_differences(
    answers: Sequence[WrongAnswer], *, timeout_s: float, workers: int = 1, seed: int = 0, progress: bool = False
) -> list[Difference | None]:
    """Run gold and answer, read-only and in processes of their own, on one database after the other until they differ.

    Args:
        answers: What was found wrong.
        timeout_s: Seconds that each query may take on each database.
        workers: Processes.
        seed: Seed of databases that are made.
        progress: Show a progress bar.

    Returns:
        For each answer the first difference; where none shows (a rule that plain results do not know) the results on
        the first database, as `wrong_rows`; None without a database.
    """
    chunks = [answers[at : at + _CHUNK] for at in range(0, len(answers), _CHUNK)]
    work = partial(_differences, timeout_s=timeout_s, seed=seed)
    found: list[Difference | None] = []
    with tqdm(total=len(answers), desc="explaining", disable=not progress, unit="answer") as bar:
        for part in map_chunks(work, chunks, workers=workers) if chunks else ():
            found += [_lost(result) if isinstance(result, Lost) else result for result in part]
            bar.update(len(part))
    return found


def _differences(answers: Sequence[WrongAnswer], *, timeout_s: float, seed: int) -> list[Difference | None]:
    return [_difference(answer, timeout_s, seed) for answer in answers]


def _difference(answer: WrongAnswer, timeout_s: float, seed: int) -> Difference | None:
    first: Difference | None = None
    for database in _databases(answer, seed):
        gold = execute(database, answer.gold, timeout_s=timeout_s)
        if answer.error is not None:
            return Difference(answer.error, _preview(gold), Preview(error=answer.error))
        predicted = execute(database, answer.predicted, timeout_s=timeout_s)
        kind = _kind(gold, predicted, ordered=answer.ordered)
        difference = Difference(kind or "wrong_rows", _preview(gold), _preview(predicted))
        if kind is not None:
            return difference
        first = first or difference
    return first


def _databases(answer: WrongAnswer, seed: int) -> Iterable[Path | bytes]:
    if not isinstance(answer.database, str):
        return answer.database
    try:
        return make_databases(answer.database, answer.gold, seed=seed)
    except DataError:
        return ()


def _kind(gold: Execution, predicted: Execution, *, ordered: bool) -> str | None:
    if predicted.error is not None:
        return predicted.error
    if not same_rows(gold.rows, predicted.rows, ordered=False):
        return "wrong_rows"
    return "wrong_order" if ordered and not same_rows(gold.rows, predicted.rows, ordered=True) else None


def _preview(execution: Execution) -> Preview:
    rows = tuple(tuple(_short(value) for value in row) for row in execution.rows[:SHOWN_ROWS])
    return Preview(execution.columns, rows, len(execution.rows), execution.error)


def _short(value: object) -> "int | float | str | bytes | None":
    if isinstance(value, str | bytes):
        return value[:_LONGEST_VALUE]
    assert value is None or isinstance(value, int | float)
    return value


def _lost(lost: Lost) -> Difference:
    nothing = Preview(error=lost.reason)
    return Difference(lost.reason, nothing, replace(nothing))
