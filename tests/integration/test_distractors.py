"""Distractors must not change what gold answers: executed with and without them, on filled databases."""

import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from text2sql_lightning.data.records import Record
from text2sql_lightning.data.sources import RawRow, embedded_rows, read_rows
from text2sql_lightning.prepare.clean import CleanRow, clean_row
from text2sql_lightning.prepare.pipeline import BuiltDataset, build_dataset
from text2sql_lightning.prepare.settings import BuildSettings
from text2sql_lightning.sql.execution import Execution, execute
from text2sql_lightning.sql.schema import Schema, schema_id
from text2sql_lightning.sql.testdb.filling import Filling, make_databases, make_fillings
from text2sql_lightning.text.sql_tokens import is_top_level_ordered, quote_name

pytestmark = pytest.mark.integration

REAL_ROWS = Path(__file__).parents[2] / ".." / "shared" / "data" / "sql_create_context" / "rows.jsonl.gz"


def real_rows() -> list[RawRow]:
    if not REAL_ROWS.is_file():
        pytest.skip("the real rows are not here")
    return read_rows(REAL_ROWS)


def widened(filling: Filling, context: str) -> bytes:
    """Make a database of a wider schema: the filling's values where it has them, noise in all other columns."""
    rng = Random(context)
    old = {name.lower(): (columns, rows) for (name, columns), rows in zip(filling.tables, filling.rows, strict=True)}
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for table in Schema.from_ddl(context).tables:
        columns, rows = old.get(table.name.lower(), ((), ((),) * 5))
        kinds = {name.lower(): kind for name, kind in columns}  # a filling makes numbers of some columns
        declared = [f"{quote_name(c.name)} {kinds.get(c.name.lower(), c.type)}" for c in table.columns]
        connection.execute(f"CREATE TABLE {quote_name(table.name)} ({', '.join(declared)})")
        at = {name.lower(): position for position, (name, _) in enumerate(columns)}
        for row in rows:
            values = [
                row[at[column.name.lower()]] if column.name.lower() in at else rng.choice(["Rock", 7, None, "x", 2009])
                for column in table.columns
            ]
            connection.execute(f"INSERT INTO {quote_name(table.name)} VALUES ({', '.join('?' * len(values))})", values)
    return connection.serialize()


def changes(record: Record, row: RawRow) -> bool:
    """Tell whether gold answers something else on the record's schema than on the row's own, or nothing at all."""
    cleaned = clean_row(row, "question")
    assert isinstance(cleaned, CleanRow)
    assert record.output == cleaned.sql
    (filling,) = make_fillings(cleaned.context, cleaned.sql, seed=0, fillings=1)
    before, after = execute(filling.to_database(), cleaned.sql), execute(widened(filling, record.context), cleaned.sql)
    # As EX compares: which of two tables a join reads first, and so the order of its rows, is SQLite's choice.
    ordered = is_top_level_ordered(cleaned.sql)
    return after.error is not None or _answer(before, ordered=ordered) != _answer(after, ordered=ordered)


def _answer(result: Execution, *, ordered: bool) -> tuple[object, ...]:
    return tuple(result.rows) if ordered else Counter(result.rows), result.columns, result.error


def all_records(built: BuiltDataset) -> list[Record]:
    return [*built.train, *built.val, *built.test]


def check_unchanged(records: Sequence[Record], rows: Sequence[RawRow]) -> None:
    assert [record.id for record in records if changes(record, rows[record.meta["row"]])] == []


def check_figures(built: BuiltDataset) -> None:
    records = all_records(built)
    figures = built.report["distractors"]
    added = [record.meta["distractors"] for record in records]
    assert figures["share_with_one"] == round(sum(map(bool, added)) / len(added), 4)
    assert sum(figures["sources"].values()) == sum(added)
    assert sum(figures["histogram"].values()) == len(records)
    assert figures["tables"] == sum(record.meta["distractor_tables"] for record in records)


def test_real_rows() -> None:
    rows = real_rows()
    built = build_dataset(rows, BuildSettings(max_rows=900))
    check_figures(built)
    figures = built.report["distractors"]
    assert figures["share_with_one"] >= 0.80
    assert figures["refused"] == 0
    assert figures["unneeded_columns"]["after"]["share_with_one"] >= 0.80
    check_unchanged(Random(0).sample(all_records(built), 300), rows)
    for record in built.test[:40]:
        assert record.output is not None
        assert make_databases(record.context, record.output, seed=0, fillings=1)


def test_the_embedded_sample() -> None:
    rows = embedded_rows()
    built = build_dataset(rows, BuildSettings())
    check_figures(built)
    figures = built.report["distractors"]
    assert figures["unneeded_columns"]["before"]["share_with_one"] >= 0.99  # whole schemas: little is missing
    assert figures["share_with_one"] < 0.25
    assert figures["refused"] == 0
    changed = [record for record in all_records(built) if record.context != rows[record.meta["row"]].context]
    check_unchanged(Random(0).sample(changed, 100), rows)


def test_processes_and_hash_seeds_do_not_matter(tmp_path: Path) -> None:
    real_rows()
    root = Path(__file__).parents[2]
    found = []
    for workers in ("1", "2"):
        out = tmp_path / workers
        command = [sys.executable, str(root / "scripts" / "build_dataset.py"), "--input_jsonl", str(REAL_ROWS)]
        command += ["--out_dir", str(out), "--max_rows", "3000", "--workers", workers]
        subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": workers}, capture_output=True)
        found.append({path.name: path.read_bytes() for path in sorted(out.iterdir())})
    assert found[0] == found[1]


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_every_real_row() -> None:
    rows = real_rows()
    built = build_dataset(rows, BuildSettings(workers=2))
    check_figures(built)
    assert built.report["distractors"]["share_with_one"] >= 0.80
    records = all_records(built)
    ids = {split: {_final_id(record) for record in getattr(built, split)} for split in ("train", "val", "test")}
    assert not ids["train"] & (ids["val"] | ids["test"])
    check_unchanged(records, rows)


def _final_id(record: Record) -> str:
    return schema_id(Schema.from_ddl(record.context))
