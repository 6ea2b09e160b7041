import sqlite3
from pathlib import Path

import pytest

from text2sql_lightning.errors import DataError
from text2sql_lightning.inference.schema_prompts import schema_context
from text2sql_lightning.sql.schema import Schema

pytestmark = pytest.mark.unit

DDL = 'CREATE TABLE t (a INTEGER PRIMARY KEY, "b c" TEXT, d BLOB);\nCREATE TABLE u (e REAL)'


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "d.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(DDL)
    rows = [(1, "it's */ x", b"abc"), (2, "it's */ x", None), (3, "y" * 60, None)]
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    connection.commit()
    connection.close()
    return path


def test_without_values_it_is_the_ddl(database: Path) -> None:
    schema = Schema.from_ddl(DDL)
    assert schema_context(schema) == schema_context(schema, database) == schema.to_ddl() == DDL


def test_values_stand_in_a_comment_that_nothing_closes(database: Path) -> None:
    before = database.read_bytes()
    text = schema_context(Schema.from_ddl(DDL), database, sample_values=2)
    assert text == (
        'CREATE TABLE t (a INTEGER PRIMARY KEY, "b c" TEXT, d BLOB) '
        f"/* a: 1, 2; b c: 'it''s * / x', '{'y' * 37}...'; d: 3 bytes */;\nCREATE TABLE u (e REAL)"
    )
    assert Schema.from_ddl(text) == Schema.from_ddl(DDL)
    assert database.read_bytes() == before


def test_a_missing_database_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no database file"):
        schema_context(Schema.from_ddl(DDL), tmp_path / "no.sqlite", sample_values=1)
