"""The rules of Spider's official evaluator for execution accuracy, its habits with text and numbers included.

They follow the published script (taoyds/test-suite-sql-eval, commit e97acc5, without `--plug_value` and
`--keep_distinct`): its verdicts are the standard that reports are compared by. The rules are applied to text, before
anything runs; what is odd about them is commented there.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from sqlite3 import Connection
from typing import Final, NamedTuple, TypeAlias

from text2sql_lightning.errors import DataError
from text2sql_lightning.evaluation.result_match import same_rows
from text2sql_lightning.sql.databases.sqlite import MAX_SQL_BYTES, connect
from text2sql_lightning.sql.execution import Execution, Row, run_query
from text2sql_lightning.text.sql_tokens import tokenize

_SPLIT_OPERATORS: Final = (("> =", ">="), ("< =", "<="), ("! =", "!="))
_CURRENT_YEAR: Final = re.compile(r"YEAR\s*\(\s*CURDATE\s*\(\s*\)\s*\)\s*", re.IGNORECASE)

# The script leaves splitting a text to sqlparse, to which a backslash guards a quote and `# ` begins a comment.
_PIECE: Final = re.compile(
    r"(?P<comment>(?:--|\# )[^\r\n]*|/\*.*?\*/)"
    r"|(?P<quoted>`(?:[^`]++|``)*`|'(?:[^'\\]++|''|\\'|\\)*'|\"(?:[^\"\\]++|\"\"|\\\"|\\)*\"|(?<![\w\])])\[[^\]\[]+\])"
    r"|(?P<word>\w[$#\w]*)"
    r"|(?P<end>;)",
    re.DOTALL,
)
_AFTER_THE_END: Final = re.compile(r"(?:[^\S\r\n]|(?:--|\# )[^\r\n]*[\r\n]{0,2})*")


def official_gold(sql: str) -> str:
    """Return the text of a gold query as the official evaluator runs it; a text too long to run comes back as it is."""
    if len(sql) > MAX_SQL_BYTES:
        return sql
    sql = sql.strip()
    for split, whole in _SPLIT_OPERATORS:
        sql = sql.replace(split, whole)
    return _CURRENT_YEAR.sub("2020", _first_statement_without_distinct(sql))


def official_prediction(sql: str) -> str:
    """Return the text of a prediction as the official evaluator runs it.

    Unlike gold's, every `value` in it becomes a 1, parts of longer words included: models that write the word where a
    literal belongs were meant.
    """
    return official_gold(sql.strip().replace("value", "1") if len(sql) <= MAX_SQL_BYTES else sql)


def counts_order(gold: str) -> bool:
    """Whether the order of rows counts: `order by` anywhere in gold, in brackets and quotes too, with one space."""
    return "order by" in official_gold(gold).lower()


def same_official_rows(gold: Sequence[Row], predicted: Sequence[Row], *, ordered: bool) -> bool:
    """Compare two results as the official evaluator does.

    It compares rows by value (1 equals 1.0), but only after a first look for which it sorts each row by the text of its
    values, where 1 and 1.0 may end up in different places: (1, 10) becomes (1, 10) or (10, 1). So results that
    are equal but for such a pair are not the same to it.
    """
    if not same_rows(gold, predicted, ordered=ordered):
        return False
    if not gold or len(gold[0]) == 1 or not (_has_float(gold) or _has_float(predicted)):
        return True
    left, right = [_sorted_by_text(row) for row in gold], [_sorted_by_text(row) for row in predicted]
    return left == right if ordered else set(left) == set(right)


def _first_statement_without_distinct(sql: str) -> str:
    kept: list[str] = []
    at = 0
    for piece in _PIECE.finditer(sql):
        if piece.lastgroup == "word" and piece.group().lower() == "distinct":
            kept.append(sql[at : piece.start()])
            at = piece.end()
        elif piece.lastgroup == "end":
            after = _AFTER_THE_END.match(sql, piece.end())
            return "".join(kept) + sql[at : after.end() if after else piece.end()]
    return "".join(kept) + sql[at:]


def _has_float(rows: Sequence[Row]) -> bool:
    return any(type(value) is float for row in rows for value in row)


def _sorted_by_text(row: Row) -> Row:
    return tuple(sorted(row, key=lambda value: str(value) + str(type(value))))


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
    """Return the same for texts that SQLite reads alike: but for case outside quotes, spaces and comments."""
    return tuple(
        token.text if token.kind in ("string", "quoted", "name") else token.text.lower() for token in tokenize(sql)
    )
