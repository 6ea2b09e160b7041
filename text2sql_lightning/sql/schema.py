"""A schema: read from CREATE TABLE text, a SQLite file or Spider's tables.json; written as text."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from text2sql_lightning.errors import DataError
from text2sql_lightning.sql.databases.sqlite import connect
from text2sql_lightning.sql.ddl import Column, ForeignKey, Table, read_tables
from text2sql_lightning.sql.repair import merge_tables


@dataclass(frozen=True)
class Schema:
    """Tables and their columns, in the order in which they were declared."""

    tables: tuple[Table, ...]

    @classmethod
    def from_ddl(cls, text: str) -> "Schema":
        """Read CREATE TABLE statements, whatever separates them; a table created twice is merged into one.

        Raises:
            DataError: When the text holds no CREATE TABLE statement with a column.
        """
        tables = [table for table in _own(merge_tables(read_tables(text))[0]) if table.columns]
        if not tables:
            raise DataError(f"no CREATE TABLE statement in {_excerpt(text)}; give the schema as SQL text")
        return cls(tuple(tables))

    @classmethod
    def from_sqlite(cls, path: Path) -> "Schema":
        """Read the tables of a SQLite file, which is opened read-only and left as it is.

        Raises:
            DataError: When the file is missing, is no SQLite database, or has no table.
        """
        with connect(Path(path)) as connection:
            rows = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table'").fetchall()
        tables = _own(table for (sql,) in rows for table in read_tables(sql or "")[:1])
        if not tables:
            raise DataError(f"{path} has no tables; give a SQLite database that has some")
        return cls(tuple(tables))

    @classmethod
    def from_spider(cls, entry: Mapping[str, Any]) -> "Schema":
        """Read one entry of Spider's tables.json.

        A column's comment is Spider's name in words, where that says more than the column's own name. Tables that
        SQLite keeps for itself (`sqlite_sequence` in three schemas) are left out.

        Raises:
            DataError: When a field is missing or malformed.
        """
        try:
            return cls(tuple(_spider_tables(entry)))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            name = entry.get("db_id", "?") if isinstance(entry, Mapping) else "?"
            raise DataError(
                f"entry {name!r} of tables.json is malformed ({type(error).__name__}: {error}); it needs "
                "table_names_original, column_names_original, column_types, primary_keys, foreign_keys"
            ) from error

    def to_ddl(self) -> str:
        """Return CREATE TABLE statements on one line, as `b-mc2/sql-create-context` has them; comments are left out."""
        return "; ".join(table.to_ddl() for table in self.tables)

    def table(self, name: str) -> Table | None:
        """Return the table of this name, case-insensitive as in SQL, or None."""
        folded = name.lower()
        return next((table for table in self.tables if table.name.lower() == folded), None)


def schema_id(schema: Schema) -> str:
    """Return 16 hex digits that name a schema: equal for equal tables and columns, whatever their order and case.

    Types and keys are left out: in `b-mc2/sql-create-context` a column's type depends on the question asked of it.
    """
    tables = sorted([table.name.lower(), *sorted({c.name.lower() for c in table.columns})] for table in schema.tables)
    lines = "\n".join("\t".join(names) for names in tables)
    return hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _spider_tables(entry: Mapping[str, Any]) -> list[Table]:
    names: list[str] = entry["table_names_original"]
    originals, worded = entry["column_names_original"], entry.get("column_names", entry["column_names_original"])
    keys = {i for key in entry["primary_keys"] for i in (key if isinstance(key, list) else [key])}
    columns: list[list[Column]] = [[] for _ in names]
    for i, ((table, name), kind) in enumerate(zip(originals, entry["column_types"], strict=True)):
        if table >= 0:  # the first column is `*`, of no table
            says_more = worded[i][1].lower().replace(" ", "") != name.lower().replace("_", "").replace(" ", "")
            columns[table].append(Column(name, kind, i in keys, False, worded[i][1] if says_more else ""))
    foreign: list[list[ForeignKey]] = [[] for _ in names]
    for source, target in entry["foreign_keys"]:
        table, name = originals[source]
        foreign[table].append(ForeignKey(name, names[originals[target][0]], originals[target][1]))
    return _own(Table(name, tuple(columns[i]), tuple(foreign[i])) for i, name in enumerate(names))


def _own(tables: Iterable[Table]) -> list[Table]:
    """Leave out the tables that SQLite keeps for itself; nobody else can create one of such a name."""
    return [table for table in tables if not table.name.lower().startswith("sqlite_")]
