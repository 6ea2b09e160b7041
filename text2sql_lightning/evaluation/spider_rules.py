"""The rules of Spider's official evaluator for execution accuracy, its habits with text and numbers included.

They follow the published script (taoyds/test-suite-sql-eval, commit e97acc5, without `--plug_value` and
`--keep_distinct`): its verdicts are the standard that reports are compared by. The rules are applied to text, before
anything runs; what is odd about them is said where it stands.
"""

import re
from collections.abc import Sequence
from typing import Final

from text2sql_lightning.evaluation.result_match import same_rows
from text2sql_lightning.sql.connection import MAX_SQL_BYTES
from text2sql_lightning.sql.execution import Row

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
_BEHIND_THE_END: Final = re.compile(r"(?:[^\S\r\n]|(?:--|\# )[^\r\n]*[\r\n]{0,2})*")


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
    values, where 1 and 1.0 may come to stand in different places: (1, 10) becomes (1, 10) or (10, 1). So results that
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
            behind = _BEHIND_THE_END.match(sql, piece.end())
            return "".join(kept) + sql[at : behind.end() if behind else piece.end()]
    return "".join(kept) + sql[at:]


def _has_float(rows: Sequence[Row]) -> bool:
    return any(type(value) is float for row in rows for value in row)


def _sorted_by_text(row: Row) -> Row:
    return tuple(sorted(row, key=lambda value: str(value) + str(type(value))))
