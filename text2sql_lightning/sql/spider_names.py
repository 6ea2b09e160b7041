"""A schema's names as Spider's rules use them, and which columns count as the same because a foreign key links them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from text2sql_lightning.sql.ddl import ForeignKey
from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.sql.spider_tokens import GrammarError


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
        """Map every alias of a text, wherever it is given, and every table to what it stands for.

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
