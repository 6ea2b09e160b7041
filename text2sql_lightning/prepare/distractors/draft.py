"""The columns and tables that one row gets, and the CREATE TABLE text that holds them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Final

from text2sql_lightning.prepare.distractors.index import ColumnIndex, Neighbour
from text2sql_lightning.prepare.distractors.names import (
    Style,
    compact,
    is_id,
    name_style,
    split_name,
    text_meanings,
    write_name,
)
from text2sql_lightning.prepare.distractors.pool import PoolColumn, kind_of, pool_columns, write_type
from text2sql_lightning.prepare.distractors.rules import NameRules, Reading, has_star
from text2sql_lightning.sql.ddl import Column, Table
from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.text.sql_tokens import Token, iter_tokens

SOURCES: Final = ("same_table", "tables", "co_occurrence", "pool")
"""Where distractors come from: rows on the same table, tables beside it, tables with columns like it, the pool."""

_TABLE_SHARE: Final = 0.4
"""Of the rows whose database is known to have more tables, this part gets one."""

_TABLE_COLUMNS: Final = 4
_SEPARATORS: Final = ("; ", ";\n")


class Draft:
    """Collects additions to a row's schema.

    Attributes:
        columns: New columns for each table, by its name.
        tables: New tables.
        sources: For each new column, those of new tables included, where it comes from.
        fixed: Tables that keep their columns in their order: the query reads them by `*`.
    """

    def __init__(
        self,
        question: str,
        tokens: Sequence[Token],
        schema: Schema,
        reading: Reading,
        needed: Iterable[str],
        index: ColumnIndex,
        split: str,
        rng: Random,
    ) -> None:
        """Start with nothing.

        Args:
            question: The row's question.
            tokens: Its gold query.
            schema: Its schema.
            reading: What gold reads of it.
            needed: Names of the columns that gold needs.
            index: The source's tables.
            split: The row's split.
            rng: Decides everything.
        """
        self.columns: dict[str, list[Column]] = {table.name: [] for table in schema.tables}
        self.tables: list[Table] = []
        self.sources: list[str] = []
        read = {table for table, _ in reading.columns} if has_star(tokens) else set()
        self.fixed = frozenset(table.name for table in schema.tables if table.name.lower() in read)
        self._schema, self._index, self._split, self._rng = schema, index, split, rng
        self._types = [column.type for table in schema.tables for column in table.columns]
        present = [table.name for table in schema.tables]
        present += [column.name for table in schema.tables for column in table.columns]
        self._rules = NameRules(question, tokens, needed, present)

    def fill(self, number: int) -> None:
        """Add this many columns, or as many as can be found."""
        if number > 1 and self._rng.random() < _TABLE_SHARE:
            self._add_table(number)
        hosts = [table for table in self._schema.tables if table.name not in self.fixed]
        candidates = {table.name: self._candidates(table) for table in hosts}
        while hosts and len(self.sources) < number:
            host = self._rng.choice(hosts)
            found = next(candidates[host.name], None)
            if found is None:
                hosts.remove(host)
                continue
            column, source = found
            self.columns[host.name].append(column)
            self.sources.append(source)

    def added(self) -> set[tuple[str, str]]:
        """Return (table, column) in lower case of all new columns."""
        tables = self.columns | {table.name: list(table.columns) for table in self.tables}
        return {(name.lower(), column.name.lower()) for name, columns in tables.items() for column in columns}

    def _add_table(self, number: int) -> None:
        choices = self._index.neighbours(self._schema.tables, self._split)
        self._rng.shuffle(choices)
        for neighbour in choices:
            names = self._usable(neighbour)
            if not names:
                continue
            del names[self._rng.randint(1, min(number, _TABLE_COLUMNS)) :]
            columns = tuple(Column(name, self._borrowed_type(name)) for name in names)
            for name in (neighbour.table, *names):
                self._rules.take(name)
            self.tables.append(Table(neighbour.table, columns))
            self.sources += ["tables"] * len(columns)
            return

    def _usable(self, neighbour: Neighbour) -> list[str]:
        if not self._rules.allows_table(neighbour.table):
            return []
        names = [name for name in different(neighbour.columns) if self._rules.allows(name) or self._rules.is_key(name)]
        self._rng.shuffle(names)
        return names

    def _candidates(self, table: Table) -> Iterator[tuple[Column, str]]:
        """Yield columns that may be added to a table, the most plausible ones first."""
        names = [column.name for column in table.columns]
        same = self._index.same_table(table, self._split)
        self._rng.shuffle(same)
        for name in same:
            if self._rules.accept(name):
                yield Column(name, self._borrowed_type(name)), "same_table"
        style = name_style(names)
        good, weak = self._index.similar(names, self._rng)
        yield from self._borrow(good, style)
        said = text_meanings(f"{table.name} {' '.join(names)}"), self._rules.question
        field, general = pool_columns(*said, self._rng)
        yield from self._invent(field, style)
        yield from self._borrow(weak, style)
        yield from self._invent(general, style)

    def _borrow(self, donors: Iterable[list[str]], style: Style) -> Iterator[tuple[Column, str]]:
        for donor in donors:
            self._rng.shuffle(donor)
            # Another table's ids say nothing here: no `athlete_id` beside the height of a plant.
            for name in (name for name in donor if not is_id(name)):
                styled = name if style == "snake" and name.islower() else write_name(split_name(name) or [name], style)
                if self._rules.accept(styled):
                    yield Column(styled, self._borrowed_type(name)), "co_occurrence"

    def _invent(self, columns: Sequence[PoolColumn], style: Style) -> Iterator[tuple[Column, str]]:
        for words, kind in self._rng.sample(columns, len(columns)):
            styled = write_name(words, style)
            if self._rules.accept(styled):
                yield Column(styled, write_type(kind, self._types, self._rng)), "pool"

    def _borrowed_type(self, name: str) -> str:
        kind = self._index.type_of(name, self._rng)
        return kind if kind in self._types else write_type(kind_of(kind), self._types, self._rng)


def different(names: Iterable[str]) -> list[str]:
    """Return the names without those that repeat one but for case, underscores and a plural."""
    return list({compact(name): name for name in names}.values())


def needed_columns(schema: Schema, reading: Reading, tokens: Sequence[Token]) -> list[str]:
    """Return the columns that gold needs: those it reads, and those of `USING (...)`, which SQLite does not tell."""
    read = {table for table, _ in reading.columns}
    merges = any(token.is_word("USING", "NATURAL") for token in tokens)
    said = {token.value.lower() for token in tokens} if merges else set()
    return [
        column.name
        for table in schema.tables
        if table.name.lower() in read
        for column in table.columns
        if (table.name.lower(), column.name.lower()) in reading.columns or column.name.lower() in said
    ]


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
