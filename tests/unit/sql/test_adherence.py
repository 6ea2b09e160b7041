"""Adherence to a schema."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from text2sql_lightning.sql.execution import adheres_to_context, adheres_to_schema
from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.text.sql_tokens import keywords

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
    "SELECT c FROM t",
    "SELECT t.c FROM t JOIN u ON t.a = u.a",
    "SELECT t2.b FROM t JOIN u AS t2 ON t.a = t2.a WHERE t2.zz = t.c",
    "SELECT t.a FROM t AS x",
    'SELECT t."zz", `yy`, [x x] FROM t',
    "SELECT x, y FROM nowhere",
    "SELECT b FROM t JOIN Nowhere AS n ON n.x = t.a WHERE t.zz = 1",
    "SELECT u.* FROM t",
    "SELECT a FROM t WHERE b IN nowhere",
    "SELECT a FROM sqlite_master",
    "SELECT a FROM temp.t",
    "SELECT x FROM no_function(1)",
    "SELECT * FROM t JOIN u USING (b)",
    "SELECT rowid FROM t, u",
    "SELECT a AS q, q FROM t",
    "SELECT (SELECT q) AS r, a AS q FROM t",
    "SELECT b FROM t, (SELECT c FROM u WHERE c = t.b)",
    "SELECT s.a FROM (SELECT a AS b FROM t) AS s",
    "SELECT a FROM t UNION SELECT c FROM u ORDER BY zz",
    "SELECT a FROM t EXCEPT SELECT zz FROM u",
    "SELECT c FROM (SELECT a FROM t UNION SELECT c FROM u)",
    "WITH q AS (SELECT a FROM t) SELECT q.b FROM q",
    "WITH q(x) AS (SELECT a FROM t) SELECT a FROM q",
    "WITH t AS (SELECT c FROM u) SELECT a FROM t",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE m < 3) SELECT n FROM r",
    "SELECT a FROM t LIMIT a",
    "SELECT vvalue FROM json_each('[1]')",
    "SELECT a FROM t, json_each(t.zz)",
    "SELECT a, SUM(a) OVER w FROM t WINDOW w AS (ORDER BY zz)",
    "SELECT COUNT(*) FILTER (WHERE zz) FROM t GROUP BY yy HAVING xx ORDER BY ww",
    "SELECT a FROM t WHERE (SELECT MAX(c) FROM u WHERE u.a = t.zz)",
    "SELECT sql FROM sqlite_master",
    "SELECT 'x'.a FROM t",
]
OTHER_FAULTS = [
    "SELECT a FROM t, u",
    "SELECT no_function(a) FROM t",
    "SELECT a FROM t WHERE SUM(a) > 1",
    "SELECT a FROM t UNION SELECT a, c FROM u",
]
NO_QUERIES = [
    "",
    "I think that",
    "SELECT FROM WHERE",
    "SELECT '\ud800'",
    "SELECT '\0'",
    "SELECT a FROM t; SELECT 1",
    "DROP TABLE t",
    "DELETE FROM t",
    "WITH q AS (SELECT 1) DELETE FROM t",
    "PRAGMA table_info(t)",
    "PLAN SELECT a FROM t",
    "QUERY PLAN SELECT a FROM t",
    "SELECT " + "(" * 3000 + "a" + ")" * 3000 + " FROM t",
]
WORDS = sorted(keywords("SELECT a b zz FROM t u WITH ( ) , * = IN ORDER BY UNION AS 1 'x' \"q\" . JOIN ON"))


@pytest.mark.parametrize("sql", [*GOOD, *OTHER_FAULTS])
def test_a_query_of_the_schema(sql: str) -> None:
    assert adheres_to_schema(sql, SCHEMA)


@pytest.mark.parametrize("sql", [*BAD, *NO_QUERIES])
def test_a_query_that_leaves_the_schema_and_what_is_no_query(sql: str) -> None:
    assert not adheres_to_schema(sql, SCHEMA)


def test_names_that_need_quotes_and_types_that_sqlite_cannot_read() -> None:
    schema = Schema.from_ddl("CREATE TABLE [order] (a_ ENUM('x', 'y'), [a_[b_]]] INT, `group` INT)")
    assert adheres_to_schema('SELECT a_[b_], "group" FROM "order"', schema)
    assert not adheres_to_schema('SELECT zz[b_] FROM "order"', schema)


def test_a_context_is_repaired_and_one_without_tables_has_no_adherents() -> None:
    assert adheres_to_context("SELECT b FROM t", "CREATE TABLE t (a INT) CREATE TABLE t (b INT)")
    assert not adheres_to_context("SELECT 1", "no tables")


@given(st.lists(st.sampled_from(WORDS)) | st.lists(st.text()))
def test_any_words_get_an_answer(words: list[str]) -> None:
    assert adheres_to_schema("SELECT " + " ".join(words), SCHEMA) in (True, False)
