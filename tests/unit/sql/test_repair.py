from pathlib import Path

import pytest

from text2sql_lightning.sql.repair import ddl_error, repair_ddl, repair_query

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "repaired", "repairs"),
    [
        ("CREATE TABLE t (a VARCHAR)", "CREATE TABLE t (a VARCHAR)", ()),
        (
            "CREATE TABLE s (a VARCHAR, b VARCHAR); CREATE TABLE S (B INTEGER, c VARCHAR)",
            "CREATE TABLE s (a VARCHAR, b INTEGER, c VARCHAR)",
            ("merged table s",),
        ),
        (
            "CREATE TABLE t (order VARCHAR, index INTEGER, x_\u22121 REAL)",
            'CREATE TABLE t ("order" VARCHAR, "index" INTEGER, x_\u22121 REAL)',
            ("quoted column order", "quoted column index"),
        ),
        ("CREATE TABLE group (a INT)", 'CREATE TABLE "group" (a INT)', ("quoted table group",)),
        (
            "CREATE TABLE t ($1_oz INT, 2nd INT)",
            'CREATE TABLE t ("$1_oz" INT, "2nd" INT)',
            ("quoted column $1_oz", "quoted column 2nd"),
        ),
        ("CREATE TABLE t (Id INT, id INT)", "CREATE TABLE t (Id INT)", ("dropped repeated column id",)),
        (
            "CREATE TABLE a (x INT) | CREATE TABLE b (y INT)",
            "CREATE TABLE a (x INT); CREATE TABLE b (y INT)",
            ("separated statements",),
        ),
        ("no table here (", "no table here (", ()),
        ("CREATE TABLE t (a INT, b", "CREATE TABLE t (a INT, b", ()),
        ("CREATE TABLE t (a INT,, b INT)", "CREATE TABLE t (a INT,, b INT)", ()),
    ],
)
def test_certain_repairs(text: str, repaired: str, repairs: tuple[str, ...]) -> None:
    result = repair_ddl(text)
    assert (result.text, result.repairs) == (repaired, repairs)
    assert repair_ddl(result.text).repairs == ()


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "SELECT order FROM t WHERE order = 'order' ORDER BY order",
            'SELECT "order" FROM t WHERE "order" = \'order\' ORDER BY "order"',
        ),
        (
            "SELECT T1.group, COUNT(*) FROM t AS T1 GROUP BY group",
            'SELECT T1."group", COUNT(*) FROM t AS T1 GROUP BY "group"',
        ),
        ("SELECT MAX(index) FROM t", 'SELECT MAX("index") FROM t'),
        ('SELECT a FROM t WHERE "order" = 1', 'SELECT a FROM t WHERE "order" = 1'),
    ],
)
def test_reserved_words_of_the_schema_are_quoted_in_a_query(sql: str, expected: str) -> None:
    context = "CREATE TABLE t (a INT, order VARCHAR, group INT, index INT)"
    assert repair_query(sql, context) == expected


def test_a_query_is_left_alone_without_such_columns() -> None:
    assert repair_query("SELECT order FROM t", "CREATE TABLE t (a INT)") == "SELECT order FROM t"


def test_a_nul_character_is_an_error_and_not_an_exception() -> None:
    assert ddl_error("CREATE TABLE t (a INT)\0") is not None


@pytest.mark.parametrize(
    "text",
    [
        "ATTACH DATABASE '{folder}/stolen.sqlite' AS x; CREATE TABLE x.t (a INT)",
        "CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
        "CREATE TABLE t (a INT); PRAGMA journal_mode = DELETE",
        "CREATE TABLE t (a INT); VACUUM INTO '{folder}/copy.sqlite'",
        "CREATE TABLE t (a INT); INSERT INTO t VALUES (1)",
    ],
)
def test_definitions_of_a_stranger_create_tables_and_nothing_else(text: str, tmp_path: Path) -> None:
    assert ddl_error(text.format(folder=tmp_path)) is not None
    assert list(tmp_path.iterdir()) == []
    assert (
        ddl_error("CREATE TABLE t (a INT UNIQUE, b TEXT DEFAULT 'x', PRIMARY KEY (a), CHECK (length(b) < 9))") is None
    )
