"""Values of a database's columns as comments in its CREATE TABLE text; off by default, for they are people's data.

What a column holds is untrusted text. It must not be able to end the comment, to begin a section of the prompt, or
to fill the prompt.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from text2sql_lightning.errors import ConfigError
from text2sql_lightning.sql.databases.sqlite import connect
from text2sql_lightning.sql.ddl import Column, Table
from text2sql_lightning.sql.execution import Value, run_query
from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.text.sql_tokens import quote_name, tokenize

LONGEST_VALUE: Final = 40
ROWS_LOOKED_AT: Final = 1000
MOST_VALUES: Final = 20

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_HEADING: Final = re.compile(r"#{3,}")
_TIMEOUT_S: Final = 10.0

ReadValues = Callable[[Table, Column], Iterable[object]]
"""Returns values of a column, the first `ROWS_LOOKED_AT` that are not NULL, repeated ones included."""


@dataclass(frozen=True)
class SampleSettings:
    """Which values are shown in a schema.

    Attributes:
        count: Different values of each column; 0 for none.
        exclude: Columns whose values are never shown: `table.column`, or `column` in every table; case-insensitive.
    """

    count: int = 0
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ConfigError: The count is negative or large, or columns are excluded from nothing.
        """
        if not 0 <= self.count <= MOST_VALUES:
            raise ConfigError(f"--sample_values {self.count}: give a whole number from 0 (none) to {MOST_VALUES}")
        if self.exclude and not self.count:
            raise ConfigError("--exclude_columns needs --sample_values N: without it no value is read from any column")

    def excludes(self, table: str, column: str) -> bool:
        """Whether a column's values must not be read."""
        names = {f"{table}.{column}".lower(), column.lower()}
        return any(name.lower() in names for name in self.exclude)

    def check_names(self, schemas: Iterable[Schema]) -> None:
        """Refuse a name that no schema has: a misspelled name would let a column through.

        Raises:
            ConfigError: Names the columns that are not there.
        """
        if not self.exclude:
            return
        known = {
            name
            for schema in schemas
            for table in schema.tables
            for column in table.columns
            for name in (column.name.lower(), f"{table.name}.{column.name}".lower())
        }
        unknown = [name for name in self.exclude if name.lower() not in known]
        if unknown:
            raise ConfigError(
                f"--exclude_columns {','.join(unknown)}: no table has such a column; give table.column or column"
            )


def add_sample_values(schema: Schema, settings: SampleSettings, read_values: ReadValues) -> Schema:
    """Return the schema with values of each column as its comment; the schema itself where none are wanted."""
    if not settings.count:
        return schema
    return Schema(tuple(_describe(table, settings, read_values) for table in schema.tables))


def sqlite_schema(path: Path, settings: SampleSettings, schema: Schema | None = None) -> Schema:
    """Return a SQLite file's schema, with sample values where wanted.

    Args:
        path: The file; it is opened read-only.
        settings: How many values of which columns.
        schema: The schema to describe; that of the file where not given.

    Raises:
        DataError: The file is missing, is no SQLite database, or has no table.
    """
    schema = schema or Schema.from_sqlite(path)
    if not settings.count:
        return schema
    with connect(path) as connection:

        def read_values(table: Table, column: Column) -> Iterable[Value]:
            name, source = quote_name(column.name), quote_name(table.name)
            sql = f"SELECT {name} FROM {source} WHERE {name} IS NOT NULL LIMIT {ROWS_LOOKED_AT}"
            return (value for (value,) in run_query(connection, sql, timeout_s=_TIMEOUT_S).rows)

        return add_sample_values(schema, settings, read_values)


def schema_text(schema: Schema, settings: SampleSettings) -> str:
    """Return what a prompt shows of a schema: with sample values as comments where these are wanted, else bare."""
    return commented_ddl(schema) if settings.count else schema.to_ddl()


def commented_ddl(schema: Schema) -> str:
    """Return `Schema.to_ddl` with each column's comment after it: `genre TEXT /* e.g. 'Rock', 'Jazz' */`."""
    return "; ".join(_commented(table) for table in schema.tables)


def sample_comment(values: Iterable[object], count: int) -> str:
    """Write the first different values as a comment's text; empty where there are none that can be shown.

    Args:
        values: Values as a database gives them; what is neither text nor a number nor a date is left out.
        count: How many.
    """
    shown = dict.fromkeys(text for value in values if (text := _show(value)))
    return f"e.g. {', '.join(list(shown)[:count])}" if shown else ""


def _describe(table: Table, settings: SampleSettings, read_values: ReadValues) -> Table:
    columns = tuple(
        replace(
            column,
            comment=""
            if settings.excludes(table.name, column.name)
            else sample_comment(read_values(table, column), settings.count),
        )
        for column in table.columns
    )
    return replace(table, columns=columns)


def _show(value: object) -> str:
    if value is None or isinstance(value, bytes | bytearray | memoryview):
        return ""
    is_text = not isinstance(value, int | float)
    text = _HEADING.sub("##", _CONTROL.sub(" ", str(value)))
    text = " ".join(text.replace("*/", "* /").replace("/*", "/ *").split())
    if len(text) > LONGEST_VALUE:
        text = f"{text[: LONGEST_VALUE - 3]}..."
    return f"'{text.replace(chr(39), chr(39) * 2)}'" if is_text and text else text


def _commented(table: Table) -> str:
    ddl = table.to_ddl()
    ends = _column_ends(ddl, len(table.columns))
    for column, end in reversed(list(zip(table.columns, ends, strict=True))):
        if column.comment:
            ddl = f"{ddl[:end]} /* {column.comment} */{ddl[end:]}"
    return ddl


def _column_ends(ddl: str, count: int) -> Sequence[int]:
    """Return where each column's declaration ends: at the commas of the outer brackets, and at their end."""
    depth, ends = 0, list[int]()
    for token in tokenize(ddl):
        depth += (token.text == "(") - (token.text == ")")
        if (depth == 1 and token.text == ",") or (depth == 0 and token.text == ")"):
            ends.append(token.start)
    return ends[:count]
