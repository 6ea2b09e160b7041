"""Whether predictions return what gold returns on every database file of a folder: a test suite, or one database."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from sqlite3 import Connection
from typing import Final, NamedTuple, TypeAlias

from text2sql_lightning.errors import DataError
from text2sql_lightning.evaluation.spider_rules import same_official_rows
from text2sql_lightning.sql.connection import connect
from text2sql_lightning.sql.execution import Execution, run_query
from text2sql_lightning.sql.tokens import tokenize

GOLD_FAILED: Final = "gold_failed"
NO_DATABASE: Final = "no_database"

_GOLD_PATIENCE: Final = 4
_MAX_ROWS: Final = 2_000_000
_MAX_BYTES: Final = 128_000_000

_Key: TypeAlias = tuple[str, ...]


class Pair(NamedTuple):
    """A gold query and a prediction, as they are to be run.

    Attributes:
        gold: The query that is right.
        predicted: The query to judge.
        ordered: Whether the order of rows counts.
    """

    gold: str
    predicted: str
    ordered: bool


@dataclass
class Agreement:
    """What came of a pair.

    Attributes:
        agrees: Whether the results are the same on every file.
        error: Class of the prediction's error (`sql.execution`) on the first file where it has one; `gold_failed` or
            `no_database` where the prediction could not be judged; None where it ran.
        seconds: Wall time of the prediction on all files that were needed.
    """

    agrees: bool = True
    error: str | None = None
    seconds: float = 0.0


def agreements(files: Sequence[Path], pairs: Iterable[Pair], *, timeout_s: float) -> list[Agreement]:
    """Judge pairs on the same database files: each file is opened once, each different query runs once on it.

    A pair is settled by the first file on which it disagrees; later files are not asked about it.

    Args:
        files: The SQLite files; a missing or broken one settles all pairs that it should have judged.
        pairs: The pairs; pairs with the same text are judged once.
        timeout_s: Seconds that a prediction may take on one file; gold may take four times as long.

    Returns:
        An agreement for each pair, in their order.
    """
    pairs = list(pairs)
    found = {pair: Agreement() for pair in pairs}
    if not files:
        found = {pair: Agreement(False, NO_DATABASE) for pair in pairs}
    for file in files:
        left = [pair for pair, agreement in found.items() if agreement.agrees]
        if not left:
            break
        try:
            with connect(file) as connection:
                _judge(_Results(connection, timeout_s), left, found)
        except DataError:
            found.update({pair: Agreement(False, NO_DATABASE, found[pair].seconds) for pair in left})
    return [found[pair] for pair in pairs]


def _judge(results: "_Results", pairs: Iterable[Pair], found: dict[Pair, Agreement]) -> None:
    for pair in pairs:
        agreement = found[pair]
        right = results.gold(pair.gold)
        if right.error is not None:
            agreement.agrees, agreement.error = False, GOLD_FAILED
            continue
        answer = results.predicted(pair.predicted, right)
        agreement.seconds += answer.seconds
        agreement.error = answer.error
        agreement.agrees = answer.error is None and (
            answer is right or same_official_rows(right.rows, answer.rows, ordered=pair.ordered)
        )


@dataclass
class _Results:
    """What queries gave on one file; the last gold's rows are kept, and whatever ran to be compared with them."""

    connection: Connection
    timeout_s: float
    _gold_key: _Key | None = None
    _gold: Execution | None = None
    _predicted: dict[_Key, Execution] = field(default_factory=dict)

    def gold(self, sql: str) -> Execution:
        key = _same_meaning(sql)
        if key != self._gold_key or self._gold is None:
            self._gold_key, self._predicted = key, {}
            self._gold = self._run(sql, _GOLD_PATIENCE * self.timeout_s, None)
        return self._gold

    def predicted(self, sql: str, right: Execution) -> Execution:
        """Run a prediction; one that gold's text says too is not run again, and rows beyond gold's are not read."""
        key = _same_meaning(sql)
        if key == self._gold_key:
            return right
        if key not in self._predicted:
            self._predicted[key] = self._run(sql, self.timeout_s, len(right.rows))
        return self._predicted[key]

    def _run(self, sql: str, timeout_s: float, enough_rows: int | None) -> Execution:
        return run_query(
            self.connection,
            sql,
            timeout_s=timeout_s,
            max_rows=_MAX_ROWS,
            max_bytes=_MAX_BYTES,
            enough_rows=enough_rows,
        )


def _same_meaning(sql: str) -> _Key:
    """Return the same for texts that SQLite reads alike: but for letter case outside quotes, spaces and comments."""
    return tuple(
        token.text if token.kind in ("string", "quoted", "name") else token.text.lower() for token in tokenize(sql)
    )
