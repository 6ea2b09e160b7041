"""Distractors: columns and tables that a row's answer does not need, so that its schema is more than the answer."""

from array import array
from bisect import bisect_left
from collections.abc import Collection, Container, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import tee
from math import ceil, exp
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

from text2sql_lightning.data.sources import SQLITE
from text2sql_lightning.prepare.clean import CleanRow
from text2sql_lightning.prepare.distractors.draft import Draft
from text2sql_lightning.prepare.distractors.index import ColumnIndex, index_of
from text2sql_lightning.prepare.distractors.reading import means_the_same, needed_columns, read_columns, said_columns
from text2sql_lightning.prepare.workers import RowMap
from text2sql_lightning.sql.ddl import Column, Table
from text2sql_lightning.sql.schema import Schema, schema_id
from text2sql_lightning.text.sql_tokens import iter_tokens, tokenize

_SHAPE: Final = 4.0
_ATTEMPTS: Final = 4
_SEPARATORS: Final = ("; ", ";\n")

SplitRow: TypeAlias = tuple[str, CleanRow]


@dataclass(frozen=True)
class Distracted:
    """A row's schema with distractors.

    Attributes:
        context: The schema's text; the row's own where nothing was added.
        schema_id: Hash of the schema with its distractors.
        sources: For each added column where it comes from, of `SOURCES`.
        tables: Number of added tables; their columns are among the added ones.
        unneeded_before: Columns that gold does not read and that were there already.
        refused: Whether additions were made and taken back, as they would have changed what gold means.
    """

    context: str
    schema_id: str
    sources: tuple[str, ...] = ()
    tables: int = 0
    unneeded_before: int = 0
    refused: bool = False

    @property
    def unneeded_after(self) -> int:
        """Columns that gold does not read."""
        return self.unneeded_before + len(self.sources)


def distract_splits(
    splits: Mapping[str, Iterable[CleanRow]],
    mean: float,
    seed: int,
    map_rows: RowMap = map,
    index_file: Path | None = None,
) -> Generator[tuple[str, CleanRow, Distracted], None, None]:
    """Add distractors to the rows of all splits.

    A row's distractors depend on the seed, the row and the index alone. No row of val or test ends with a schema that
    a row of train has, before or after.

    Args:
        splits: The kept rows of each split, train first; they are gone through twice.
        mean: Mean number of columns that a row's answer does not need; 0 changes nothing.
        seed: Decides everything.
        map_rows: Calls a function for each split and row, in order; several processes may.
        index_file: Where the index of columns is kept; in memory when None, which is for one process.

    Yields:
        Split, row and what became of it, in the order of the rows.
    """
    pairs = ((split, row) for split, rows in splits.items() for row in rows)
    if not mean:
        yield from ((split, row, Distracted(row.context, row.schema_id)) for split, row in pairs)
        return
    index = index_of({split: _schemas(rows) for split, rows in splits.items()}, seed, index_file)
    try:
        trained = _SchemaIds()
        given, again = tee(pairs)  # few rows at a time are between the two
        results = map_rows(partial(_distract_pair, index=index, mean=mean, seed=seed), given)
        for (split, row), result in zip(again, results, strict=True):
            if split == "train":
                trained.add(result.schema_id)
            elif result.schema_id in trained and not _is_whole(row):
                result = distract_row(row, split, index, mean, seed, forbidden=trained)
            yield split, row, result
    finally:
        index.close()


def _schemas(rows: Iterable[CleanRow]) -> Iterator[tuple[Schema, str]]:
    return ((Schema.from_ddl(row.context), row.schema_id) for row in rows if not _is_whole(row))


class _SchemaIds:
    """A set of schemas' hashes of eight bytes each; all are added before the first is looked up."""

    def __init__(self) -> None:
        self._ids, self._is_sorted = array("Q"), False

    def add(self, schema_id: str) -> None:
        self._ids.append(int(schema_id, 16))

    def __contains__(self, schema_id: object) -> bool:
        import numpy as np

        if not self._is_sorted:
            np.asarray(self._ids).sort()
            self._is_sorted = True
        number = int(str(schema_id), 16)
        at = bisect_left(self._ids, number)
        return at < len(self._ids) and self._ids[at] == number


def _is_whole(row: CleanRow) -> bool:
    """Return whether a row's schema is a real database's: that has unneeded columns, and lends none to other rows."""
    return row.row.full_schema or row.row.own_database or row.row.dialect != SQLITE


def _distract_pair(pair: SplitRow, index: ColumnIndex, mean: float, seed: int) -> Distracted:
    split, row = pair
    if _is_whole(row):
        return Distracted(row.context, row.schema_id)
    return distract_row(row, split, index, mean, seed)


def distract_row(
    row: CleanRow,
    split: str,
    index: ColumnIndex,
    mean: float,
    seed: int,
    forbidden: Container[str] = (),
) -> Distracted:
    """Add distractors to one row of a split.

    Args:
        row: The row.
        split: Its split.
        index: The source's tables.
        mean: Mean number of unneeded columns.
        seed: Decides everything.
        forbidden: Hashes of schemas that must not come out.

    Returns:
        The schema with distractors; without any where the row already has enough, or none would leave gold as it is.
    """
    schema = Schema.from_ddl(row.context)
    tokens = tokenize(row.sql)
    reading = said_columns(schema, tokens) or read_columns(row.context, row.sql)
    if reading is None:
        return Distracted(row.context, row.schema_id, refused=True)
    needed = needed_columns(schema, reading, tokens)
    before = sum(len(table.columns) for table in schema.tables) - len(needed)
    unchanged = Distracted(row.context, row.schema_id, unneeded_before=before)
    for attempt in range(_ATTEMPTS):
        rng = Random(f"{seed} distractors {attempt}\n{row.question}\n{row.context}\n{row.sql}")
        missing = draw_number(rng, mean) - before
        if missing <= 0 and before:
            return unchanged
        draft = Draft(row.question, tokens, schema, reading, needed, index, split, rng)
        draft.fill(missing)
        context = extend_ddl(row.context, schema, draft.columns, draft.tables, draft.fixed, rng)
        found = _extended_id(schema, draft) if draft.sources else row.schema_id
        if found in forbidden or (found != row.schema_id and index.split_of(found) not in (None, split)):
            continue
        # Compiling is the proof, whatever the rules for names have missed.
        if not means_the_same(reading, read_columns(context, row.sql), draft.added()):
            return replace(unchanged, refused=True)
        return Distracted(context, found, tuple(draft.sources), len(draft.tables), before)
    return unchanged


def draw_number(rng: Random, mean: float) -> int:
    """Draw how many unneeded columns a row has.

    A Poisson distribution whose rate is drawn, too (a negative binomial of shape 4): wider than a Poisson, as tables
    are. With a mean of 3, 11 % of the draws are 0 and 4 % are 8 or more.

    Args:
        rng: Decides.
        mean: Mean of the distribution before it is cut at 4 times the mean, or at 10 where that is more.

    Returns:
        The number.
    """
    rate = rng.gammavariate(_SHAPE, mean / _SHAPE)
    most = max(10, ceil(4 * mean))
    number, left, probability = 0, rng.random(), exp(-rate)
    while left > probability and number < most:
        left -= probability
        number += 1
        probability *= rate / number
    return number


def _extended_id(schema: Schema, draft: Draft) -> str:
    tables = [replace(table, columns=(*table.columns, *draft.columns[table.name])) for table in schema.tables]
    return schema_id(Schema((*tables, *draft.tables)))


def extend_ddl(
    context: str,
    schema: Schema,
    columns: Mapping[str, Sequence[Column]],
    tables: Sequence[Table],
    fixed: Collection[str],
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
            pieces.append((at, f"{column.name} {column.type}".rstrip() + f",{gap}"))
    # From behind, so that the places in front stay where they are.
    for at, piece in sorted(pieces, key=lambda entry: -entry[0]):
        context = context[:at] + piece + context[at:]
    gap = "\n" if "\n" in context else " "
    for table in tables:
        context = f"{context.rstrip().removesuffix(';')};{gap}{table.to_ddl()}"
    return context


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
