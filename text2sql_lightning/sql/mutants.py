"""Queries that are nearly the gold query and mean something else: what a database must tell apart.

They are made on tokens, not on a parse tree: some microseconds each, and any text that SQLite runs will do.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.sql.tokens import Token, quote_name, tokenize

_SWAPS: Final = {
    ">": (">=", "<"), ">=": (">",), "<": ("<=", ">"), "<=": ("<",), "<>": ("=",), "!=": ("=",),
    "MAX": ("MIN",), "MIN": ("MAX",), "SUM": ("AVG", "COUNT"), "AVG": ("SUM", "MAX"),
    "DESC": ("ASC",), "ASC": ("DESC",), "AND": ("OR",), "OR": ("AND",), "LIKE": ("=",), "NOT": ("",), "DISTINCT": ("",),
    "UNION": ("INTERSECT",), "INTERSECT": ("UNION",), "EXCEPT": ("UNION", "INTERSECT"),
}  # fmt: skip
_OPERATORS: Final = frozenset({"=", "==", ">", ">=", "<", "<=", "<>", "!="})
_BEHIND_COLUMN: Final = frozenset({",", ")", "FROM"} | _OPERATORS)


def make_mutants(sql: str, schema: Schema, rng: Random, limit: int) -> list[str]:
    """Return up to `limit` different mutants of a query; some of them may not run."""
    tokens = tokenize(sql)
    columns = _other_columns(schema)
    edits = list(dict.fromkeys(_edits(tokens, columns, rng)))
    if len(edits) > limit:
        edits = rng.sample(edits, limit)
    return [sql[:start] + replacement + sql[end:] for start, end, replacement in edits]


def _other_columns(schema: Schema) -> dict[str, list[str]]:
    """Return for each column's name (lower case) the names of its table's other columns."""
    others: dict[str, list[str]] = {}
    for table in schema.tables:
        for column in table.columns:
            rest = [quote_name(c.name) for c in table.columns if c is not column]
            others.setdefault(column.name.lower(), []).extend(rest)
    return others


def _edits(tokens: Sequence[Token], columns: dict[str, list[str]], rng: Random) -> Iterator[tuple[int, int, str]]:
    in_between = False
    for at, token in enumerate(tokens):
        word = token.text.upper() if token.kind == "word" else token.text
        previous = tokens[at - 1].text.upper() if at else ""
        following = tokens[at + 1].text.upper() if at + 1 < len(tokens) else ""
        in_between = in_between or word == "BETWEEN"
        if word == "AND" and in_between:
            in_between = False
        elif token.kind in ("word", "symbol") and word in _SWAPS:
            for swap in _SWAPS[word]:
                yield token.start, token.end, swap
        elif word == "=" and _is_literal(tokens, at + 1, columns):
            yield token.start, token.end, "<>"
        elif word == "COUNT" and following == "(":
            yield from _count_edits(tokens, at)
        elif word == "SELECT" and following != "DISTINCT":
            yield token.end, token.end, " DISTINCT"
        elif word == "JOIN" and previous not in ("LEFT", "OUTER", "INNER", "CROSS", "NATURAL"):
            yield token.start, token.end, "LEFT JOIN"
        elif word == "BY" and previous == "ORDER":
            yield from _order_edits(tokens, at)
        elif token.kind == "number":
            yield token.start, token.end, _bumped(token.text, 1)
            yield token.start, token.end, _bumped(token.text, -1)
        elif _is_literal(tokens, at, columns):
            yield token.start, token.end, token.text[0] + token.text[1:-1].swapcase() + token.text[-1]
        elif following in _BEHIND_COLUMN and token.value.lower() in columns:
            others = columns[token.value.lower()]
            for other in rng.sample(others, min(2, len(others))):
                yield token.start, token.end, other
        if word in _OPERATORS and _is_literal(tokens, at + 1, columns):
            yield _start_of_operand(tokens, at), tokens[at + 1].end, "1 = 1"


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


def _count_edits(tokens: Sequence[Token], at: int) -> Iterator[tuple[int, int, str]]:
    inside = tokens[at + 2] if at + 2 < len(tokens) else None
    if inside is not None and inside.kind in ("word", "quoted") and not inside.is_word("DISTINCT"):
        yield inside.start, inside.start, "DISTINCT "
        yield tokens[at].start, tokens[at].end, "MAX"


def _order_edits(tokens: Sequence[Token], at: int) -> Iterator[tuple[int, int, str]]:
    """Turn round an order that is not said to be DESC: put DESC behind the last word of its first part."""
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
