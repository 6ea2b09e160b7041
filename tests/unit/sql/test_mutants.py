from random import Random

import pytest

from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.sql.testdb.mutants import make_mutants

pytestmark = pytest.mark.unit

SCHEMA = Schema.from_ddl("CREATE TABLE t (a VARCHAR, b INTEGER)")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            'SELECT a FROM t WHERE b > 3 AND a = "Rock"',
            {
                'SELECT DISTINCT a FROM t WHERE b > 3 AND a = "Rock"',
                'SELECT b FROM t WHERE b > 3 AND a = "Rock"',
                'SELECT a FROM t WHERE a > 3 AND a = "Rock"',
                'SELECT a FROM t WHERE b >= 3 AND a = "Rock"',
                'SELECT a FROM t WHERE b < 3 AND a = "Rock"',
                'SELECT a FROM t WHERE 1 = 1 AND a = "Rock"',
                'SELECT a FROM t WHERE b > 4 AND a = "Rock"',
                'SELECT a FROM t WHERE b > 2 AND a = "Rock"',
                'SELECT a FROM t WHERE b > 3 OR a = "Rock"',
                'SELECT a FROM t WHERE b > 3 AND b = "Rock"',
                'SELECT a FROM t WHERE b > 3 AND a <> "Rock"',
                "SELECT a FROM t WHERE b > 3 AND 1 = 1",
                'SELECT a FROM t WHERE b > 3 AND a = "rOCK"',
            },
        ),
        (
            "SELECT MAX(b) FROM t ORDER BY a LIMIT 1",
            {
                "SELECT MIN(b) FROM t ORDER BY a LIMIT 1",
                "SELECT MAX(a) FROM t ORDER BY a LIMIT 1",
                "SELECT MAX(b) FROM t ORDER BY a DESC LIMIT 1",
                "SELECT MAX(b) FROM t ORDER BY a LIMIT 2",
                "SELECT MAX(b) FROM t ORDER BY a LIMIT 0",
            },
        ),
        ("SELECT COUNT(DISTINCT a) FROM t", {"SELECT COUNT( a) FROM t", "SELECT COUNT(DISTINCT b) FROM t"}),
        ("", set()),
    ],
)
def test_all_mutants_of_a_query(sql: str, expected: set[str]) -> None:
    assert set(make_mutants(sql, SCHEMA, Random(0), 99)) == expected


def test_no_more_than_asked_for() -> None:
    assert len(make_mutants('SELECT a FROM t WHERE b > 3 AND a = "Rock"', SCHEMA, Random(0), 5)) == 5
