import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from text2sql_lightning.data.sources import Pair, RawRow, read_pairs, sqlite_rows
from text2sql_lightning.errors import DataError
from text2sql_lightning.prepare.clean import CleanRow, DroppedRow, clean_row
from text2sql_lightning.sql.sample_values import SampleSettings

pytestmark = pytest.mark.unit

CONTEXT = (
    "CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT); "
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, FOREIGN KEY (customer_id) REFERENCES customer)"
)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT);
               CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customer);
               CREATE VIEW rich AS SELECT * FROM customer;
               INSERT INTO customer VALUES (1, 'Ann', 'rome'), (2, 'Bob', 'Oslo');"""
        )
    return path


@pytest.fixture
def make_row(shop: Path) -> Callable[..., RawRow]:
    def make(question: str, sql: str, dialect: str = "sqlite") -> RawRow:
        database = shop if dialect == "sqlite" else None
        return RawRow(question, CONTEXT, sql, 0, "shop", database=database, dialect=dialect, own_database=True)

    return make


def test_every_pair_gets_the_whole_schema(shop: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text('{"question": "How many?", "sql": "SELECT 1"}\n{"question": "Who?", "answer": "SELECT 2"}\n')
    before = sorted(path.name for path in tmp_path.iterdir())
    first, second = sqlite_rows(shop, pairs)
    assert first == RawRow(
        "How many?", CONTEXT, "SELECT 1", 0, "shop.sqlite", database=shop, full_schema=True, own_database=True
    )
    assert (second.index, second.answer) == (1, "SELECT 2")
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert "city TEXT /* e.g. 'rome', 'Oslo' */" in next(sqlite_rows(shop, pairs, samples=SampleSettings(3))).context


def test_pairs_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text('question,sql\n"Who, then?","SELECT 1"\n')
    assert list(read_pairs(path)) == [Pair("Who, then?", "SELECT 1")]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("pairs.jsonl", "", "PAIRS holds no pairs; expected lines with question and sql"),
        ("pairs.jsonl", '{"question": "q"}', "PAIRS, line 1, field sql: missing; the line has question"),
        ("pairs.jsonl", '{"question": "q", "sql": ["x"]}', "PAIRS, line 1, field sql: expected a string, got array"),
        ("pairs.csv", "question,gold\na,b\n", "PAIRS, line 2, field sql: missing; the line has question, gold"),
        ("pairs.csv", "ask,sql\na,b\n", "PAIRS, line 1: no column question; the header has ask, sql"),
    ],
)
def test_wrong_pairs_are_named(tmp_path: Path, shop: Path, name: str, content: str, expected: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        list(sqlite_rows(shop, path))
    assert str(caught.value).replace(str(path), "PAIRS") == expected


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_text("text")
    with pytest.raises(DataError, match="is no SQLite database"):
        sqlite_rows(tmp_path / "x.sqlite", tmp_path / "pairs.jsonl")
    with pytest.raises(DataError, match="no database file"):
        sqlite_rows(tmp_path / "none.sqlite", tmp_path / "pairs.jsonl")


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT nme FROM customer", "gold_unknown_column"),
        ("SELECT * FROM rich", "gold_unknown_table"),  # a view: the model cannot know it
        ("SELECT CONCAT_WS(name) FROM customer WHERE", "gold_syntax"),
        ("DROP TABLE customer", "no_select_statement"),
        ("SELECT abs(-9223372036854775808) FROM customer", "gold_other"),  # fails on rows alone
    ],
)
def test_gold_that_does_not_run_is_counted(make_row: Callable[..., RawRow], sql: str, reason: str) -> None:
    cleaned = clean_row(make_row("Who?", sql), "question")
    assert isinstance(cleaned, DroppedRow)
    assert cleaned.reason == reason


def test_gold_that_runs_is_taken_as_it_is(make_row: Callable[..., RawRow]) -> None:
    cleaned = clean_row(make_row("Is there one?", "SELECT 1 FROM customer"), "question")
    assert isinstance(cleaned, CleanRow)
    assert cleaned.sql == "SELECT 1 FROM customer"


@pytest.mark.parametrize(
    ("question", "literal", "kept"),
    [
        ("Who lives in Rome?", "rome", "rome"),  # the database says rome: another spelling finds nobody
        ("Who lives in OSLO?", "oslo", "OSLO"),  # neither finds anybody
        ("Who lives in Oslo?", "Oslo", "Oslo"),
    ],
)
def test_letter_case_is_repaired_only_where_the_answer_stays(
    make_row: Callable[..., RawRow], question: str, literal: str, kept: str
) -> None:
    cleaned = clean_row(make_row(question, f"SELECT name FROM customer WHERE city = '{literal}'"), "question")
    assert isinstance(cleaned, CleanRow)
    assert cleaned.sql == f"SELECT name FROM customer WHERE city = '{kept}'"
    assert cleaned.literal_case_repaired is (literal != kept)


def test_gold_of_another_dialect_is_parsed_and_not_executed(make_row: Callable[..., RawRow]) -> None:
    sql = "SELECT name::text FROM customer WHERE city ILIKE 'rome'"
    cleaned = clean_row(make_row("Who lives in Rome?", sql, "postgres"), "question")
    assert isinstance(cleaned, CleanRow)
    assert cleaned.sql == sql
    for wrong, reason in (("SELECT FROM WHERE", "gold_syntax"), ("SELECT * FROM rich", "gold_unknown_table")):
        dropped = clean_row(make_row("Who?", wrong, "postgres"), "question")
        assert isinstance(dropped, DroppedRow)
        assert dropped.reason == reason


def test_rows_on_one_database_are_grouped_by_the_form_of_their_query(make_row: Callable[..., RawRow]) -> None:
    queries = (
        "SELECT name FROM customer WHERE id = 1",
        "SELECT name FROM customer WHERE id = 2",
        "SELECT 1 FROM orders",
    )
    cleaned = [clean_row(make_row(f"Question {sql}?", sql), "question") for sql in queries]
    keys = [row.group_keys for row in cleaned if isinstance(row, CleanRow)]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        ("question", "x" * 10_000_000, "too_long"),
        ("context", "CREATE TABLE t (a) -- " + "x" * 10_000_000, "too_long"),
        ("answer", "SELECT '" + "x" * 10_000_000 + "'", "too_long"),
        ("question", "Who\x00?", "control_characters"),
        ("answer", "SELECT '\x1b[31m' FROM t", "control_characters"),
        ("context", "CREATE TABLE t (a\x07)", "control_characters"),
        ("question", " \t\r\n ", "empty_question"),
        ("context", "", "no_create_table"),
        ("context", "CREATE TABLE t (a INTEGER, ", "context_does_not_run"),
        ("answer", "", "no_select_statement"),
    ],
)
def test_bad_texts_are_counted(field: str, text: str, reason: str) -> None:
    texts = {"question": "Who?", "context": "CREATE TABLE t (a INTEGER)", "answer": "SELECT a FROM t"} | {field: text}
    cleaned = clean_row(RawRow(**texts, index=0, source="x"), "question")
    assert isinstance(cleaned, DroppedRow)
    assert cleaned.reason == reason
    assert len(cleaned.detail) < 1000
