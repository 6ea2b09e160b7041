"""The beginnings of two results that differ."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from tqdm import tqdm

from text2sql_lightning.errors import DataError
from text2sql_lightning.sql.execution import Execution, Row, execute
from text2sql_lightning.sql.testdb.filling import make_databases
from text2sql_lightning.sql.workers import Lost, map_chunks
from text2sql_lightning.text.sql_tokens import Token, tokenize


@dataclass(frozen=True)
class Preview:
    """The beginning of a result.

    Attributes:
        columns: Names of its columns.
        rows: Its first rows.
        total: How many rows it has.
        error: Class of the error, where there is no result.
    """

    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    total: int = 0
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


def normalized_exact_match(gold: str, predicted: str) -> bool:
    """Whether two queries are the same text but for spaces, comments, letter case of keywords and names, the kind of
    quotes, and a semicolon at the end. What stands inside quotes must be equal to the letter.

    Text in double quotes is text here, as in most gold queries, so `"Rock"` equals `'Rock'`; names in backticks or
    square brackets equal names without.
    """  # noqa: D205
    return _normalized(gold) == _normalized(predicted)


def _normalized(sql: str) -> list[tuple[bool, str]]:
    pieces = [_piece(token) for token in tokenize(sql)]
    while pieces and pieces[-1] == (False, ";"):
        pieces.pop()
    return pieces


def _piece(token: Token) -> tuple[bool, str]:
    """Return whether a token is text, and what is compared of it."""
    if token.kind in ("string", "quoted"):
        return True, token.value
    return False, token.value.lower()


_Rows: TypeAlias = Sequence[Sequence[Hashable]]

_MAX_STEPS: Final = 2_000


def same_rows(gold: _Rows, predicted: _Rows, *, ordered: bool) -> bool:
    """Compare two results as the official test-suite evaluator does.

    The predicted columns may stand in any order. Rows are a bag: how often one occurs counts, where it stands counts
    only if `ordered`. Two results without rows are equal, whatever their columns. Numbers are equal by value (1 and
    1.0), a number never equals a text.

    Args:
        gold: Rows of the gold query.
        predicted: Rows of the predicted query.
        ordered: Whether the order of the rows counts.
    """
    if not gold and not predicted:
        return True
    if len(gold) != len(predicted) or len(gold[0]) != len(predicted[0]):
        return False
    if gold == predicted:
        return True
    gold_columns, predicted_columns = list(zip(*gold, strict=True)), list(zip(*predicted, strict=True))
    if ordered:  # rows keep their places, so a permutation of columns exists if the columns are equal as a bag
        return Counter(gold_columns) == Counter(predicted_columns)
    if len(gold_columns) == 1:
        return Counter(gold_columns[0]) == Counter(predicted_columns[0])
    return _Search(gold_columns, predicted_columns).succeeds()


class _Search:
    """Look for an order of the predicted columns in which the bags of rows are equal.

    A column can only stand for one with the same signature: the same values, each in rows with the same bag of
    values. That leaves hardly ever a choice; where it does, columns are settled one after the other, and an order is
    given up as soon as the rows of the columns so far differ.
    """

    def __init__(self, gold: list[tuple[Hashable, ...]], predicted: list[tuple[Hashable, ...]]) -> None:
        self._gold, self._predicted = gold, predicted
        self._steps = _MAX_STEPS
        signatures, wanted = _signatures(predicted), _signatures(gold)
        self._candidates = [[i for i, s in enumerate(signatures) if s == signature] for signature in wanted]

    def succeeds(self) -> bool:
        if not all(self._candidates):
            return False
        return self._settle([], [()] * len(self._gold[0]), [()] * len(self._gold[0]))

    def _settle(self, taken: list[int], gold: list[Hashable], predicted: list[Hashable]) -> bool:
        at = len(taken)
        if at == len(self._gold):
            return True
        gold = list(zip(gold, self._gold[at], strict=True))
        bag = Counter(gold)
        tried: list[tuple[Hashable, ...]] = []
        for i in self._candidates[at]:
            column = self._predicted[i]
            if i in taken or column in tried:
                continue
            tried.append(column)
            self._steps -= 1
            if self._steps < 0:  # only results built to be hard to compare come here
                return False
            rows: list[Hashable] = list(zip(predicted, column, strict=True))
            if Counter(rows) == bag and self._settle([*taken, i], gold, rows):
                return True
        return False


def _signatures(columns: list[tuple[Hashable, ...]]) -> list[Counter[tuple[Hashable, int]]]:
    # The sum of hashes stands for a row's bag of values: equal bags have equal sums, and that is all that is needed.
    rows = [sum(map(hash, row)) for row in zip(*columns, strict=True)]
    return [Counter(zip(column, rows, strict=True)) for column in columns]


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
