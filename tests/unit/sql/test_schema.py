import gzip
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from text2sql_lightning.errors import DataError
from text2sql_lightning.sql.ddl import Column, ForeignKey, Table
from text2sql_lightning.sql.schema import Schema, schema_id

pytestmark = pytest.mark.unit

SHARED = Path(__file__).parents[4] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the reference data beside the repository")

TWO_TABLES = (
    Table("singer", (Column("Id", "INTEGER"), Column("Name", "VARCHAR"))),
    Table("song", (Column("Title", "VARCHAR"), Column("singer_id", "INTEGER"))),
)


@pytest.mark.parametrize("separator", ["; ", ";\n", "\n", " | ", " ", ";;  -- next\n", "\nGO\n"])
def test_statements_are_found_whatever_separates_them(separator: str) -> None:
    text = separator.join(
        ["CREATE TABLE singer (Id INTEGER, Name VARCHAR)", "CREATE TABLE song (Title VARCHAR, singer_id INTEGER)"]
    )
    assert Schema.from_ddl(text).tables == TWO_TABLES


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("create table if not exists t (a)", Table("t", (Column("a"),))),
        ("CREATE TEMP TABLE main.t (a int)", Table("t", (Column("a", "int"),))),
        (
            'CREATE TABLE "my ""t" ([a b] text, `c;` REAL)',
            Table('my "t', (Column("a b", "text"), Column("c;", "REAL"))),
        ),
        ("CREATE TABLE t (a decimal(10, 2) NOT NULL)", Table("t", (Column("a", "decimal(10,2)", not_null=True),))),
        ("CREATE TABLE t (a UNSIGNED BIG INT DEFAULT (1, 2))", Table("t", (Column("a", "UNSIGNED BIG INT"),))),
        ("CREATE TABLE t (a INTEGER PRIMARY KEY)", Table("t", (Column("a", "INTEGER", primary_key=True),))),
        (
            "CREATE TABLE t (a, b, c, PRIMARY KEY (A, b), UNIQUE (c), CHECK (a > 1))",
            Table("t", (Column("a", primary_key=True), Column("b", primary_key=True), Column("c"))),
        ),
        (
            "CREATE TABLE t (a int REFERENCES u(x), b int REFERENCES v, CONSTRAINT k FOREIGN KEY (b) REFERENCES w (y))",
            Table(
                "t",
                (Column("a", "int"), Column("b", "int")),
                (ForeignKey("a", "u", "x"), ForeignKey("b", "v"), ForeignKey("b", "w", "y")),
            ),
        ),
        ("CREATE TABLE t (key VARCHAR(10), KEY by_key (key))", Table("t", (Column("key", "VARCHAR(10)"),))),
        (
            "CREATE TABLE t (group VARCHAR, order INTEGER",
            Table("t", (Column("group", "VARCHAR"), Column("order", "INTEGER"))),
        ),
        (
            "CREATE TABLE t (\n a INT, -- how many\n b INT COMMENT 'why, so', /* not for b */ c INT -- last\n)",
            Table(
                "t",
                (
                    Column("a", "INT", comment="how many"),
                    Column("b", "INT", comment="why, so"),
                    Column("c", "INT", comment="last"),
                ),
            ),
        ),
    ],
)
def test_a_statement_is_read(text: str, expected: Table) -> None:
    assert Schema.from_ddl(text).tables == (expected,)


def test_other_statements_are_skipped() -> None:
    text = (
        "PRAGMA foreign_keys=OFF; CREATE TABLE t (a INT); INSERT INTO t VALUES ('CREATE TABLE no (x)');"
        " CREATE INDEX i ON t (a); CREATE TABLE sqlite_sequence(name,seq);"
    )
    assert Schema.from_ddl(text).tables == (Table("t", (Column("a", "INT"),)),)


def test_to_ddl_runs_and_reads_back() -> None:
    text = (
        'CREATE TABLE "order" (id INTEGER PRIMARY KEY, "group" VARCHAR(3) NOT NULL, "2nd leg" REAL); '
        'CREATE TABLE part (a INTEGER, b INTEGER, PRIMARY KEY (a, b), FOREIGN KEY (a) REFERENCES "order" (id))'
    )
    schema = Schema.from_ddl(text)
    assert schema.to_ddl() == text
    sqlite3.connect(":memory:").executescript(schema.to_ddl())


@pytest.mark.parametrize("text", ["", "SELECT 1", "CREATE TABLE", "CREATE TABLE t AS SELECT 1", "CREATE TABLE t ()"])
def test_text_without_a_table_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="no CREATE TABLE statement"):
        Schema.from_ddl(text)


@given(st.text() | st.text("CREATE TABLE t(a,)'\"`[-/*;\n").map(lambda text: "CREATE TABLE t (" + text))
def test_no_text_crashes_the_reader(text: str) -> None:
    try:
        schema = Schema.from_ddl(text)
    except DataError:
        return
    assert all(table.to_ddl().startswith("CREATE TABLE ") for table in schema.tables)


def test_a_sqlite_file_is_read_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a b%20?.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(
        'CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, "x y" TEXT, r REFERENCES b (k)); CREATE TABLE b (k);'
        " CREATE VIEW v AS SELECT 1; ALTER TABLE b ADD COLUMN late REAL;"
    )
    connection.close()
    before = path.read_bytes()
    schema = Schema.from_sqlite(path)
    assert schema.tables == (
        Table(
            "a",
            (Column("id", "INTEGER", primary_key=True), Column("x y", "TEXT"), Column("r")),
            (ForeignKey("r", "b", "k"),),
        ),
        Table("b", (Column("k"), Column("late", "REAL"))),
    )
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_text("no database at all, but more than a hundred bytes of prose" * 3)
    with pytest.raises(DataError, match=r"x\.sqlite is no SQLite database"):
        Schema.from_sqlite(tmp_path / "x.sqlite")
    with pytest.raises(DataError, match=r"no database file .*y\.sqlite"):
        Schema.from_sqlite(tmp_path / "y.sqlite")
    assert not (tmp_path / "y.sqlite").exists()


def spider_entry() -> dict[str, Any]:
    return {
        "db_id": "d",
        "table_names_original": ["Stadium", "concert", "sqlite_sequence"],
        "column_names_original": [[-1, "*"], [0, "Stadium_ID"], [0, "Loc"], [1, "c_id"], [1, "Stadium_ID"], [2, "seq"]],
        "column_names": [[-1, "*"], [0, "stadium id"], [0, "location"], [1, "concert"], [1, "stadium id"], [2, "seq"]],
        "column_types": ["text", "number", "text", "number", "text", "text"],
        "primary_keys": [1, [3, 4]],
        "foreign_keys": [[4, 1]],
    }


def test_an_entry_of_spiders_tables_json_is_read() -> None:
    assert Schema.from_spider(spider_entry()).tables == (
        Table("Stadium", (Column("Stadium_ID", "number", primary_key=True), Column("Loc", "text", comment="location"))),
        Table(
            "concert",
            (
                Column("c_id", "number", primary_key=True, comment="concert"),
                Column("Stadium_ID", "text", primary_key=True),
            ),
            (ForeignKey("Stadium_ID", "Stadium", "Stadium_ID"),),
        ),
    )


def test_a_malformed_entry_is_named() -> None:
    with pytest.raises(DataError, match=r"entry .d. of tables\.json is malformed"):
        Schema.from_spider({**spider_entry(), "foreign_keys": [[4, 99]]})


def test_schema_id_ignores_order_case_and_types() -> None:
    one = schema_id(Schema.from_ddl("CREATE TABLE a (x INT, y INT); CREATE TABLE b (z INT)"))
    same = schema_id(Schema.from_ddl("CREATE TABLE B (Z VARCHAR); CREATE TABLE A (Y VARCHAR, X VARCHAR)"))
    other = schema_id(Schema.from_ddl("CREATE TABLE a (x INT); CREATE TABLE b (z INT, y INT)"))
    assert one == same == "70ccf52ed23dbd73"
    assert other != one


@needs_shared
def test_every_spider_schema_survives_the_way_to_ddl_and_back() -> None:
    entries = json.loads((SHARED / "spider" / "tables.json").read_text())
    schemas = [Schema.from_spider(entry) for entry in entries]
    assert len(schemas) == 166
    for schema in schemas:
        sqlite3.connect(":memory:").executescript(schema.to_ddl())
        assert without_comments(Schema.from_ddl(schema.to_ddl())) == without_comments(schema)


@needs_shared
def test_real_contexts_are_read_as_sqlite_reads_them() -> None:
    with gzip.open(SHARED / "sql_create_context" / "rows.jsonl.gz", "rt") as file:
        contexts = [json.loads(line)["context"] for line in file][::20]
    compared = 0
    for context in contexts:
        connection = sqlite3.connect(":memory:")
        try:
            connection.executescript(context)
        except sqlite3.Error:
            continue
        for table in Schema.from_ddl(context).tables:
            described = connection.execute("SELECT name, type FROM pragma_table_info(?)", (table.name,)).fetchall()
            assert [(column.name, column.type) for column in table.columns] == described
            compared += 1
    assert compared > 400


def without_comments(schema: Schema) -> list[tuple[str, list[tuple[str, str, bool]], tuple[ForeignKey, ...]]]:
    return [(t.name, [(c.name, c.type, c.primary_key) for c in t.columns], t.foreign_keys) for t in schema.tables]
