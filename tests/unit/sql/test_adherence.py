"""Adherence to a schema; the judge is SQLite on empty tables, and what it says is written beside each query."""

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sql_lightning.sql.adherence import Adherence, schema_adherence
from text2sql_lightning.sql.schema import Schema

pytestmark = pytest.mark.unit

DDL = "CREATE TABLE t (a INT, b TEXT); CREATE TABLE u (a INT, c TEXT)"
SCHEMA = Schema.from_ddl(DDL)

GOOD = [
    "SELECT T.A, [b], `a`, main.t.b FROM T",
    "SELECT x.b, y.c FROM t AS x JOIN u y ON x.a = y.a",
    "SELECT b, c FROM t JOIN u USING (a) WHERE u.a = 1",
    "SELECT b, c FROM t NATURAL JOIN u",
    "SELECT c FROM (t JOIN u USING (a)) WHERE u.c = 1",
    "SELECT x.c FROM (t JOIN u USING (a)) AS x",
    "SELECT s.a FROM ((SELECT a FROM t) AS s)",
    'SELECT a FROM t WHERE b = "no column, so text"',
    'SELECT "b" FROM t',
    "SELECT a FROM 't'",
    "SELECT rowid, t._rowid_ FROM t ORDER BY oid",
    "SELECT t.rowid, u.rowid FROM t, u",
    "SELECT t.*, c FROM t, u",
    "SELECT COUNT(*) AS n FROM t GROUP BY b HAVING n > 1 ORDER BY n",
    "SELECT a AS q FROM t WHERE q > 1 AND q IN (SELECT c FROM u WHERE q = 2)",
    "SELECT a AS q FROM t WHERE (SELECT MAX(c) FROM u WHERE q = 1)",
    "SELECT b FROM t WHERE EXISTS (SELECT 1 FROM (SELECT c FROM u WHERE c = t.b))",
    "SELECT b FROM t WHERE a IN (SELECT b FROM u)",
    "SELECT a FROM t UNION SELECT c FROM u ORDER BY c",
    "SELECT COUNT(*) AS n FROM t UNION SELECT 1 ORDER BY n LIMIT 3",
    "WITH q AS (SELECT a FROM t) SELECT q.a, t.b FROM q JOIN t USING (a)",
    "WITH y AS (SELECT * FROM x), x AS (SELECT a FROM t) SELECT a FROM y",
    "WITH q(x) AS (SELECT a FROM t) SELECT x FROM q",
    "WITH unused AS (SELECT zz FROM nowhere) SELECT a FROM t",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r",
    "SELECT a FROM t WHERE a > (WITH q AS (SELECT c FROM u) SELECT c FROM q)",
    "SELECT value FROM json_each('[1]')",
    "SELECT t.a, j.value FROM t, json_each(t.b) AS j",
    "SELECT column1 FROM (VALUES (1), (2))",
    "SELECT name FROM pragma_table_info('t')",
    "SELECT TRUE, FALSE, CURRENT_DATE, NULL, b COLLATE NOCASE, CAST(a AS TEXT) FROM t",
    "SELECT a, ROW_NUMBER() OVER (PARTITION BY b ORDER BY a), SUM(a) OVER w FROM t WINDOW w AS (ORDER BY b)",
    "SELECT c FROM u WHERE a NOTNULL AND c GLOB 'x*' AND c ISNULL;",
    "SELECT SUM(a) AS [1st] FROM t ORDER BY [1st]",
]
BAD = [
    ("SELECT c FROM t", [], ["c"]),
    ("SELECT t.c FROM t JOIN u ON t.a = u.a", [], ["t.c"]),
    ("SELECT t2.b FROM t JOIN u AS t2 ON t.a = t2.a WHERE t2.zz = t.c", [], ["t2.b", "t2.zz", "t.c"]),
    ("SELECT t.a FROM t AS x", [], ["t.a"]),
    ('SELECT t."zz", `yy`, [x x] FROM t', [], ['t."zz"', "`yy`", "[x x]"]),
    ("SELECT x, y FROM nowhere", ["nowhere"], []),
    ("SELECT b FROM t JOIN Nowhere AS n ON n.x = t.a WHERE t.zz = 1", ["Nowhere"], ["t.zz"]),
    ("SELECT u.* FROM t", ["u"], []),
    ("SELECT a FROM t WHERE b IN nowhere", ["nowhere"], []),
    ("SELECT a FROM sqlite_master", ["sqlite_master"], []),
    ("SELECT a FROM temp.t", ["t"], []),
    ("SELECT x FROM no_function(1)", ["no_function"], []),
    ("SELECT * FROM t JOIN u USING (b)", [], ["b"]),
    ("SELECT rowid FROM t, u", [], ["rowid"]),
    ("SELECT a AS q, q FROM t", [], ["q"]),
    ("SELECT (SELECT q) AS r, a AS q FROM t", [], ["q"]),
    ("SELECT b FROM t, (SELECT c FROM u WHERE c = t.b)", [], ["t.b"]),
    ("SELECT s.a FROM (SELECT a AS b FROM t) AS s", [], ["s.a"]),
    ("SELECT a FROM t UNION SELECT c FROM u ORDER BY zz", [], ["zz"]),
    ("SELECT a FROM t EXCEPT SELECT zz FROM u", [], ["zz"]),
    ("SELECT c FROM (SELECT a FROM t UNION SELECT c FROM u)", [], ["c"]),
    ("WITH q AS (SELECT a FROM t) SELECT q.b FROM q", [], ["q.b"]),
    ("WITH q(x) AS (SELECT a FROM t) SELECT a FROM q", [], ["a"]),
    ("WITH t AS (SELECT c FROM u) SELECT a FROM t", [], ["a"]),
    ("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE m < 3) SELECT n FROM r", [], ["m"]),
    ("SELECT a FROM t LIMIT a", [], ["a"]),
    ("SELECT vvalue FROM json_each('[1]')", [], ["vvalue"]),
    ("SELECT a FROM t, json_each(t.zz)", [], ["t.zz"]),
    ("SELECT a, SUM(a) OVER w FROM t WINDOW w AS (ORDER BY zz)", [], ["zz"]),
    ("SELECT COUNT(*) FILTER (WHERE zz) FROM t GROUP BY yy HAVING xx ORDER BY ww", [], ["zz", "yy", "xx", "ww"]),
    ("SELECT a FROM t WHERE (SELECT MAX(c) FROM u WHERE u.a = t.zz)", [], ["t.zz"]),
]


PIECES = [
    "SELECT", "a", "b", "zz", "FROM", "t", "u", "WITH", "(", ")", ",", "*", "=", "IN", "ORDER", "BY", "UNION", "AS",
    "1", "'x'", '"q"', ".", "JOIN", "ON",
]  # fmt: skip


def sqlite_says(sql: str) -> str | None:
    connection = sqlite3.connect(":memory:")
    connection.executescript(DDL)
    try:
        connection.execute(sql)
    except sqlite3.Error as error:
        return str(error)
    finally:
        connection.close()
    return None


@pytest.mark.parametrize("sql", GOOD)
def test_a_query_of_the_schema(sql: str) -> None:
    assert sqlite_says(sql) is None
    assert schema_adherence(sql, SCHEMA) == Adherence()
    assert schema_adherence(sql, SCHEMA).adheres


@pytest.mark.parametrize(("sql", "tables", "columns"), BAD)
def test_a_query_that_leaves_the_schema(sql: str, tables: list[str], columns: list[str]) -> None:
    adherence = schema_adherence(sql, SCHEMA)
    assert sqlite_says(sql) is not None
    assert (sorted(adherence.unknown_tables), sorted(adherence.unknown_columns)) == (sorted(tables), sorted(columns))
    assert not adherence.adheres


def test_a_name_is_reported_once() -> None:
    assert schema_adherence("SELECT zz FROM t WHERE zz > 1", SCHEMA).unknown_columns == ("zz",)


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("", "syntax"), ("I think that", "syntax"), ("SELECT FROM WHERE", "syntax"), ("SELECT '\ud800'", "syntax"),
        ("SELECT '\0'", "syntax"), ("SELECT a FROM t; SELECT 1", "not_a_query"), ("DROP TABLE t", "not_a_query"),
        ("DELETE FROM t", "not_a_query"),
    ],
)  # fmt: skip
def test_what_is_no_query(sql: str, reason: str) -> None:
    adherence = schema_adherence(sql, SCHEMA)
    assert not adherence.adheres
    assert adherence.reason == reason


def test_what_only_sqlite_can_read() -> None:
    schema = Schema.from_ddl("CREATE TABLE t (a_ INT, [a_[b_]]] INT)")
    assert schema_adherence("SELECT a_[b_] FROM t", schema).adheres
    assert schema_adherence("SELECT zz[b_] FROM t", schema).unknown_columns == ("zz",)
    assert schema_adherence("SELECT a_[b_] FROM u", schema).unknown_tables == ("u",)


def test_a_table_in_single_quotes_is_a_name() -> None:
    assert sqlite_says("SELECT 't'.a FROM t") is None
    assert schema_adherence("SELECT 't'.a FROM t", SCHEMA).adheres
    assert schema_adherence("SELECT 'x'.a FROM t", SCHEMA).unknown_columns == ("x.a",)
    assert schema_adherence("SELECT 'x' . a", SCHEMA).unknown_columns == ("x.a",)


def test_deep_nesting_is_no_trouble() -> None:
    assert schema_adherence("SELECT " + "(" * 3000 + "a" + ")" * 3000 + " FROM t", SCHEMA).reason == "syntax"


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "SELECT",
                "a",
                "b",
                "zz",
                "FROM",
                "t",
                "u",
                "WITH",
                "(",
                ")",
                ",",
                "*",
                "=",
                "IN",
                "ORDER",
                "BY",
                "UNION",
                "AS",
                "1",
                "'x'",
                '"q"',
                ".",
                "JOIN",
                "ON",
            ]
        )
    )
)
def test_any_words_get_an_answer(words: list[str]) -> None:
    adherence = schema_adherence("SELECT " + " ".join(words), SCHEMA)
    missing = sqlite_says("SELECT " + " ".join(words))
    if missing is None:
        assert adherence.adheres
    elif missing.startswith(("no such table", "no such column")):
        assert not adherence.adheres
