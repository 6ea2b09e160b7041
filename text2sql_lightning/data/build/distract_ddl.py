"""CREATE TABLE text with more columns and tables in it, everything else as it was."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Final

from text2sql_lightning.sql.schema import Column, Schema, Table
from text2sql_lightning.sql.tokens import iter_tokens

_SEPARATORS: Final = ("; ", ";\n")


def extend_ddl(
    context: str,
    schema: Schema,
    columns: Mapping[str, Sequence[Column]],
    tables: Sequence[Table],
    fixed: frozenset[str],
    rng: Random,
) -> str:
    """Write a schema with more columns and tables, in a new order.

    Text that `Schema.to_ddl` would write the same is written anew: columns are shuffled but for a primary key, which
    stays in front; added tables stand anywhere. Text with comments, defaults or a layout of its own keeps all of that
    and the order of its columns; the new ones are put between them, and new tables behind the others.

    Args:
        context: The CREATE TABLE text.
        schema: The same, read.
        columns: New columns for each table, by its name.
        tables: New tables.
        fixed: Names of tables whose columns must keep their order.
        rng: Decides the order.

    Returns:
        The text.
    """
    separator = plain_separator(context, schema)
    if separator is None:
        return _insert(context, schema, columns, tables, rng)
    extended = [
        table if table.name in fixed else _shuffled(table, columns.get(table.name, ()), rng) for table in schema.tables
    ]
    for table in tables:
        extended.insert(rng.randrange(len(extended) + 1), table)
    return separator.join(table.to_ddl() for table in extended)


def plain_separator(context: str, schema: Schema) -> str | None:
    """Return what stands between the statements of text that `Table.to_ddl` writes the same, None for other text."""
    written = [table.to_ddl() for table in schema.tables]
    return next((separator for separator in _SEPARATORS if separator.join(written) == context), None)


def _shuffled(table: Table, added: Sequence[Column], rng: Random) -> Table:
    keys = [column for column in table.columns if column.primary_key]
    others = [column for column in (*table.columns, *added) if not column.primary_key]
    rng.shuffle(others)
    return replace(table, columns=(*keys, *others))


def _insert(
    context: str, schema: Schema, columns: Mapping[str, Sequence[Column]], tables: Sequence[Table], rng: Random
) -> str:
    pieces: list[tuple[int, str]] = []
    starts = _column_starts(context, schema)
    for table in schema.tables:
        for column in columns.get(table.name, ()):
            places = starts[table.name]
            at = rng.choice(places[1:] or places)
            before = context[:at]
            gap = before[len(before.rstrip()) :] if before.rstrip().endswith(",") else " "
            pieces.append((at, f"{_column_text(column)},{gap}"))
    # From behind, so that the places in front stay where they are.
    for at, piece in sorted(pieces, key=lambda entry: -entry[0]):
        context = context[:at] + piece + context[at:]
    gap = "\n" if "\n" in context else " "
    for table in tables:
        context = f"{context.rstrip().removesuffix(';')};{gap}{table.to_ddl()}"
    return context


def _column_text(column: Column) -> str:
    return f"{column.name} {column.type}".rstrip()


def _column_starts(context: str, schema: Schema) -> dict[str, list[int]]:
    """Return for each table where its columns begin: behind the opening bracket and behind each comma in it."""
    bodies: list[list[int]] = []
    depth, expected = 0, False
    for token in iter_tokens(context):
        if token.kind == "comment":
            continue
        if expected:
            bodies[-1].append(token.start)
        before, depth = depth, depth + (token.text == "(") - (token.text == ")")
        if (before, depth) == (0, 1):
            bodies.append([])
        expected = (before, depth) == (0, 1) or (depth == 1 and token.text == ",")
    # Constraints stand behind the columns.
    pairs = zip(schema.tables, bodies, strict=True)
    return {table.name: starts[: len(table.columns)] for table, starts in pairs}
