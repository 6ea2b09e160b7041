"""What Spider's rules are about: SQL text in their tokens, a schema in their names, a query as they see it.

The official script splits SQL with NLTK's word_tokenize, an English tokenizer, and whether a prediction can be read
depends on that: `a = 1` and `a >= 1` can be, `a=1`, `a >=1` and `a <> 1` cannot.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from text2sql_lightning.sql.ddl import ForeignKey
from text2sql_lightning.sql.schema import Schema

MAX_CHARACTERS: Final = 1_000_000
"""Longer text is not read: it would cost memory, and no query to compare with is as long."""


class GrammarError(ValueError):
    """Text that Spider's restricted grammar does not cover."""


_CLOSING: Final = r"\])}>\xbb\u201d\u2019\s"
_ALONE: Final = r";@#$%&?!*()\[\]{}<>\xab\xbb\u2018\u2019\u201c-\u201e\u2012-\u2015"
_PIECE: Final = re.compile(
    rf"[{_ALONE}]|`+|\.{{2,}}|--|[:,](?!\d)"
    rf"|\.(?=[{_CLOSING}]*\Z)"  # the full stop of the text
    rf'|(?:"[^"]*"|[^\s"`.:,\-{_ALONE}]|\.(?!\.|[{_CLOSING}]*\Z)|-(?!-)|[:,](?=\d))+'
)
_SLANG: Final = re.compile(r"\b(?:(can)(not)|(gim|lem)(me)|(gon)(na)|(got)(ta)|(wan)(na)(?=\Z))\b")
_AFTER: Final = re.compile(r"(?:\s+|(?=[)}\]*:@({\[!?;][^\s.!?]*(?:\s|[.!?]*\Z)))(?P<following>\S)")
"""What can follow the end of a sentence: space, or punctuation and, up to the next space, no other full stop."""
_NUMBER: Final = re.compile(r"-?[\d.,]*\d")


def spider_tokens(sql: str) -> list[str]:
    """Split a query: words in lower case, text in double quotes whatever its quotes were, symbols.

    Text that touches a word (`a='x'`, `'it''s'`) makes a token that is neither a name nor text.

    Raises:
        GrammarError: When a quote is not closed, or the text is too long to be looked at.
    """
    if len(sql) > MAX_CHARACTERS:
        raise GrammarError(f"more than {MAX_CHARACTERS} characters")
    text = sql.replace("'", '"')
    if text.count('"') % 2:
        raise GrammarError("a quote is not closed")
    tokens: list[str] = []
    for match in _PIECE.finditer(text):
        token = _token(match)
        if token == "=" and tokens and tokens[-1] in ("!", ">", "<"):
            tokens[-1] += "="
        elif token.endswith(".") and _ends_sentence(token, text, match.end()):
            tokens += [token[:-1], "."]
        elif _SLANG.search(token) and not token.startswith('"'):
            tokens += _SLANG.sub(_spread, token).split()
        else:
            tokens.append(token)
    return tokens


def _spread(match: re.Match[str]) -> str:
    """Take apart what an English tokenizer knows as two words, as in "cannot"."""
    return " ".join(part for part in match.groups() if part)


def _token(match: re.Match[str]) -> str:
    piece = match.group()
    if '"' not in piece:
        return piece.lower()
    if piece.startswith('"') and piece.find('"', 1) == len(piece) - 1:
        return piece
    return f"\0{match.start()}"  # equal to no name, and to no other such token


def _ends_sentence(token: str, text: str, end: int) -> bool:
    """Whether the tokenizer, which looks for sentences first, takes the full stop after a word for the end of one.

    NLTK's model knows abbreviations as well; here only single letters and numbers can be followed by one.
    """
    stem = token[:-1]
    after = _AFTER.match(text, end)
    if not stem or stem.endswith(".") or not after:
        return False
    if len(stem) == 1 and stem.isalpha():
        return False
    following = after["following"]
    return not (_NUMBER.fullmatch(stem) and (following.islower() or following in ";:,.!?"))


@dataclass(frozen=True)
class SpiderNames:
    """The names of one schema, all in lower case.

    Attributes:
        columns: The columns of each table.
        known: Every table, every "table.column", and "*".
        keys: For a column at either end of a foreign key, the first column that it is linked with.
    """

    columns: Mapping[str, frozenset[str]]
    known: frozenset[str]
    keys: Mapping[str, str]

    def aliases(self, tokens: Sequence[str]) -> dict[str, str]:
        """Map every alias of a text, wherever it is given, and every table to the table's name.

        Raises:
            GrammarError: When AS ends the text, or an alias has a table's name.
        """
        aliases: dict[str, str] = {}
        for i, token in enumerate(tokens):
            if token == "as":
                if i + 1 == len(tokens):
                    raise GrammarError("AS has no name")
                aliases[tokens[i + 1]] = tokens[i - 1]
        clash = aliases.keys() & self.columns.keys()
        if clash:
            raise GrammarError(f"alias {min(clash)!r} has a table's name")
        return aliases | {table: table for table in self.columns}


@lru_cache(maxsize=512)
def spider_names(schema: Schema) -> SpiderNames:
    """Collect a schema's names; kept for the schemas that were asked for last."""
    columns = {table.name.lower(): frozenset(c.name.lower() for c in table.columns) for table in schema.tables}
    places = [f"{table.name}.{column.name}".lower() for table in schema.tables for column in table.columns]
    return SpiderNames(columns, frozenset(["*", *columns, *places]), _linked(schema, places))


def _linked(schema: Schema, places: Sequence[str]) -> dict[str, str]:
    """Map columns to the first of their group.

    A foreign key joins the first group that has one of its ends, and groups are never united afterwards: as in the
    official script, whose map is therefore not always the transitive one.
    """
    groups: list[set[str]] = []
    for table in schema.tables:
        for key in table.foreign_keys:
            ends = {f"{table.name}.{key.column}".lower(), _target(schema, key)}
            group = next((group for group in groups if group & ends), None)
            if group is None:
                groups.append(ends)
            else:
                group |= ends
    rank = {place: i for i, place in enumerate(places)}
    linked: dict[str, str] = {}
    for group in groups:
        ordered = sorted(group & rank.keys(), key=rank.__getitem__)
        linked.update(dict.fromkeys(ordered, ordered[0]) if ordered else {})
    return linked


def _target(schema: Schema, key: ForeignKey) -> str:
    """Return the column that a foreign key refers to: the primary key where none is named."""
    column = key.ref_column
    table = schema.table(key.ref_table)
    if not column and table is not None:
        column = next((column.name for column in table.columns if column.primary_key), "")
    return f"{key.ref_table}.{column}".lower()


class ColumnUnit(NamedTuple):
    """A column, bare or inside one aggregate.

    Attributes:
        aggregate: "max", "min", "count", "sum", "avg"; "none" where there is none.
        column: "table.column" in lower case, or "*".
        distinct: Whether DISTINCT precedes the column.
    """

    aggregate: str
    column: str
    distinct: bool


class ValueUnit(NamedTuple):
    """One column, or two with an operator (`-`, `+`, `*`, `/`; "none" for one) between them."""

    operator: str
    left: ColumnUnit
    right: ColumnUnit | None


class Item(NamedTuple):
    """What one place of SELECT shows; `aggregate` is the one that encloses the whole unit."""

    aggregate: str
    unit: ValueUnit


class Condition(NamedTuple):
    """A comparison; `upper` is the second bound of BETWEEN."""

    negated: bool
    operator: str
    left: ValueUnit
    value: "Value"
    upper: "Value"


class Ordering(NamedTuple):
    """An ORDER BY: all its units, and the direction that is named last."""

    direction: str
    units: tuple[ValueUnit, ...]


class Query(NamedTuple):
    """A SELECT, and the query that UNION, INTERSECT or EXCEPT combines it with.

    Attributes:
        distinct: Whether it is a SELECT DISTINCT.
        select: What it shows, in order.
        sources: Tables by name (lower case), and nested queries, in the order of FROM.
        joins: The conditions of all ON clauses.
        where: The conditions of WHERE.
        group: The units of GROUP BY.
        having: The conditions of HAVING.
        order: Its ORDER BY, or None.
        limited: Whether there is a LIMIT; which one is never looked at.
        set_operator: "union", "intersect", "except", or empty.
        other: The query after the set operator.
    """

    distinct: bool
    select: tuple[Item, ...]
    sources: tuple["str | Query", ...]
    joins: "Conditions"
    where: "Conditions"
    group: tuple[ColumnUnit, ...]
    having: "Conditions"
    order: Ordering | None
    limited: bool
    set_operator: str
    other: "Query | None"

    @property
    def conditions(self) -> "Conditions":
        """The conditions of ON, WHERE and HAVING, without what joins them."""
        return self.joins[::2] + self.where[::2] + self.having[::2]

    @property
    def connectives(self) -> "Conditions":
        """The ANDs and ORs of ON, WHERE and HAVING."""
        return self.joins[1::2] + self.where[1::2] + self.having[1::2]


Value: TypeAlias = "Query | ColumnUnit | str | float | None"
"""The right-hand side of a condition; a string keeps its quotes."""

Conditions: TypeAlias = tuple[Condition | str, ...]
"""Conditions and, between them, "and" or "or"; brackets are not kept, as Spider's grammar has none there.

Broken SQL can leave out a connective: then a condition is in an odd place. The rules go by place.
"""
