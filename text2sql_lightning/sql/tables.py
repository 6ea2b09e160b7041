"""The parts of a schema: columns, foreign keys, tables."""

from dataclasses import dataclass

from text2sql_lightning.sql.tokens import quote_name


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: Its name, without quotes.
        type: Its declared type as written ("VARCHAR", "decimal(10,2)"); empty where none is declared.
        primary_key: Whether it is the primary key or part of it.
        not_null: Whether NULL is forbidden.
        comment: What the schema says about it in words; empty where it says nothing.
    """

    name: str
    type: str = ""
    primary_key: bool = False
    not_null: bool = False
    comment: str = ""


@dataclass(frozen=True)
class ForeignKey:
    """A column that refers to a column of another table; `ref_column` is empty where it is the other's primary key."""

    column: str
    ref_table: str
    ref_column: str = ""


@dataclass(frozen=True)
class Table:
    """A table with its columns in their order."""

    name: str
    columns: tuple[Column, ...]
    foreign_keys: tuple[ForeignKey, ...] = ()

    def column(self, name: str) -> Column | None:
        """Return the column of this name, ignoring letter case as SQL does, or None."""
        folded = name.lower()
        return next((column for column in self.columns if column.name.lower() == folded), None)

    def to_ddl(self) -> str:
        """Return the CREATE TABLE statement, on one line and without a semicolon."""
        keys = [quote_name(column.name) for column in self.columns if column.primary_key]
        parts = [_column_ddl(column, inline_key=len(keys) == 1) for column in self.columns]
        if len(keys) > 1:
            parts.append(f"PRIMARY KEY ({', '.join(keys)})")
        for key in self.foreign_keys:
            target = f" ({quote_name(key.ref_column)})" if key.ref_column else ""
            parts.append(f"FOREIGN KEY ({quote_name(key.column)}) REFERENCES {quote_name(key.ref_table)}{target}")
        return f"CREATE TABLE {quote_name(self.name)} ({', '.join(parts)})"


def _column_ddl(column: Column, *, inline_key: bool) -> str:
    words = [quote_name(column.name), column.type]
    if column.primary_key and inline_key:
        words.append("PRIMARY KEY")
    if column.not_null:
        words.append("NOT NULL")
    return " ".join(word for word in words if word)
