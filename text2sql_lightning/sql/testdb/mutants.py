"""Queries that are nearly the gold query and mean something else: what a database must tell apart.

They are made on tokens, not on a parse tree: some microseconds each, and any text that SQLite runs will do.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final, TypeAlias

from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.text.sql_tokens import Token, quote_name, tokenize

_Edit: TypeAlias = tuple[int, int, str]

_SWAPS: Final = {
    ">": (">=", "<"), ">=": (">",), "<": ("<=", ">"), "<=": ("<",), "<>": ("=",), "!=": ("=",),
    "MAX": ("MIN",), "MIN": ("MAX",), "SUM": ("AVG", "COUNT"), "AVG": ("SUM", "MAX"),
    "DESC": ("ASC",), "ASC": ("DESC",), "AND": ("OR",), "OR": ("AND",), "LIKE": ("=",), "NOT": ("",), "DISTINCT": ("",),
    "UNION": ("INTERSECT",), "INTERSECT": ("UNION",), "EXCEPT": ("UNION", "INTERSECT"),
}  # fmt: skip
_OPERATORS: Final = frozenset({"=", "==", ">", ">=", "<", "<=", "<>", "!="})
_AGGREGATES: Final = frozenset({"DISTINCT", "COUNT", "SUM", "AVG", "MIN", "MAX"})
_UNIQUE: Final = frozenset({"UNION", "INTERSECT", "EXCEPT", "GROUP", "LIMIT"})
_BEHIND_COLUMN: Final = frozenset({",", ")", "FROM"} | _OPERATORS)


def make_mutants(sql: str, schema: Schema, rng: Random, limit: int) -> list[str]:
    """Return up to `limit` different mutants of a query; some of them may not run."""
    tokens = tokenize(sql)
    columns = _other_columns(schema)
    edits = list(dict.fromkeys(_edits(tokens, columns, rng))) if tokens else []
    if len(edits) > limit:
        edits = rng.sample(edits, limit)
    mutants = (sql[:start] + replacement + sql[end:] for start, end, replacement in edits)
    return [mutant for mutant in mutants if mutant != sql]


def _other_columns(schema: Schema) -> dict[str, list[str]]:
    """Return for each column's name (lower case) the names of its table's other columns."""
    others: dict[str, list[str]] = {}
    for table in schema.tables:
        for column in table.columns:
            rest = [quote_name(c.name) for c in table.columns if c is not column]
            others.setdefault(column.name.lower(), []).extend(rest)
    return others


def _edits(tokens: Sequence[Token], columns: dict[str, list[str]], rng: Random) -> Iterator[_Edit]:
    """Yield the places to change, as (start, end, replacement)."""
    if not _AGGREGATES & _words(tokens[1:2]) and not _UNIQUE & _words(tokens):
        yield tokens[0].end, tokens[0].end, " DISTINCT"
    in_between = False
    for at, token in enumerate(tokens):
        in_between = in_between or token.is_word("BETWEEN")
        if token.is_word("AND") and in_between:
            in_between = False
        else:
            yield from _word_edits(tokens, at)
        yield from _operand_edits(tokens, at, columns)
        yield from _column_edits(tokens, at, columns, rng)


def _word_edits(tokens: Sequence[Token], at: int) -> Iterator[_Edit]:
    """Change a keyword or an operator."""
    token, previous = tokens[at], tokens[max(at - 1, 0)]
    for swap in _SWAPS.get(token.text.upper(), ()) if token.kind in ("word", "symbol") else ():
        yield token.start, token.end, swap
    if token.is_word("COUNT"):
        yield from _count_edits(tokens, at)
    elif token.is_word("JOIN") and not previous.is_word("LEFT", "OUTER", "INNER", "CROSS", "NATURAL"):
        yield token.start, token.end, "LEFT JOIN"
    elif token.is_word("BY") and previous.is_word("ORDER"):
        yield from _order_edits(tokens, at)


def _operand_edits(tokens: Sequence[Token], at: int, columns: dict[str, list[str]]) -> Iterator[_Edit]:
    """Change a literal, or drop the comparison with it."""
    token = tokens[at]
    if token.kind == "number":
        yield token.start, token.end, _bumped(token.text, 1)
        yield token.start, token.end, _bumped(token.text, -1)
    elif _is_literal(tokens, at, columns):
        yield token.start, token.end, token.text[0] + token.text[1:-1].swapcase() + token.text[-1]
    elif token.text in _OPERATORS and _is_literal(tokens, at + 1, columns):
        if token.text == "=":
            yield token.start, token.end, "<>"
        yield _start_of_operand(tokens, at), tokens[at + 1].end, "1 = 1"


def _column_edits(tokens: Sequence[Token], at: int, columns: dict[str, list[str]], rng: Random) -> Iterator[_Edit]:
    """Put other columns of the table in a column's place."""
    token = tokens[at]
    following = tokens[at + 1].text.upper() if at + 1 < len(tokens) else ""
    others = columns.get(token.value.lower(), []) if token.kind in ("word", "quoted", "name") else []
    if others and following in _BEHIND_COLUMN:
        for other in rng.sample(others, min(2, len(others))):
            yield token.start, token.end, other


def _words(tokens: Sequence[Token]) -> set[str]:
    return {token.text.upper() for token in tokens if token.kind == "word"}


def _is_literal(tokens: Sequence[Token], at: int, columns: dict[str, list[str]]) -> bool:
    if at >= len(tokens):
        return False
    token = tokens[at]
    return token.kind in ("number", "string") or (token.kind == "quoted" and token.value.lower() not in columns)


def _start_of_operand(tokens: Sequence[Token], operator: int) -> int:
    """Return where the operand in front of an operator begins: `a`, `t.a` or `f(...)`."""
    at = operator - 1
    if at > 0 and tokens[at].text == ")":
        depth = 0
        while at > 0:
            depth += (tokens[at].text == ")") - (tokens[at].text == "(")
            if depth == 0:
                break
            at -= 1
        return tokens[at - 1].start if at and tokens[at - 1].kind == "word" else tokens[at].start
    if at > 1 and tokens[at - 1].text == ".":
        at -= 2
    return tokens[max(at, 0)].start


def _count_edits(tokens: Sequence[Token], at: int) -> Iterator[_Edit]:
    inside = tokens[at + 2] if at + 2 < len(tokens) else None
    if inside is not None and inside.kind in ("word", "quoted") and not inside.is_word("DISTINCT"):
        yield inside.start, inside.start, "DISTINCT "
        yield tokens[at].start, tokens[at].end, "MAX"


def _order_edits(tokens: Sequence[Token], at: int) -> Iterator[_Edit]:
    """Reverse an order that is not DESC: append DESC to its first term."""
    depth = 0
    for index in range(at + 1, len(tokens) + 1):
        token = tokens[index] if index < len(tokens) else None
        if token is None or (depth == 0 and (token.text in (",", ")", ";") or token.is_word("LIMIT"))):
            yield tokens[index - 1].end, tokens[index - 1].end, " DESC"
            return
        depth += (token.text == "(") - (token.text == ")")
        if token.is_word("ASC", "DESC"):
            return


def _bumped(text: str, by: int) -> str:
    try:
        return str(int(text) + by)
    except ValueError:
        return str(float(text) + by) if not text.lower().startswith("0x") else str(by)
