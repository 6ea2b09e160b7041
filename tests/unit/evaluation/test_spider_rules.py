import pytest

from text2sql_lightning.evaluation.spider.rules import (
    counts_order,
    official_gold,
    official_prediction,
    same_official_rows,
)
from text2sql_lightning.sql.execution import Row

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("  SELECT a FROM t \n", "SELECT a FROM t"),
        ("SELECT DISTINCT a FROM t", "SELECT  a FROM t"),
        ("select count(distinct a), Distinct(b) from t", "select count( a), (b) from t"),
        ("SELECT a AS distinctly, b_distinct FROM t", "SELECT a AS distinctly, b_distinct FROM t"),
        ("SELECT 'distinct', `distinct`, [distinct]", "SELECT 'distinct', `distinct`, [distinct]"),
        ('SELECT "distinct"', 'SELECT "distinct"'),
        ("SELECT 'it''s distinct'", "SELECT 'it''s distinct'"),
        (r"SELECT 'a\' distinct 'b'", r"SELECT 'a\' distinct 'b'"),
        (r"SELECT distinct 'a\'", r"SELECT  'a\'"),
        ("SELECT a -- distinct ;", "SELECT a -- distinct ;"),
        ("SELECT /* distinct ; */ a", "SELECT /* distinct ; */ a"),
        ("SELECT a FROM t; DROP TABLE t", "SELECT a FROM t; "),
        ("SELECT a FROM t;;", "SELECT a FROM t;"),
        ("SELECT ';' FROM t; -- the end", "SELECT ';' FROM t; -- the end"),
        ("SELECT a FROM t; # the end", "SELECT a FROM t; # the end"),
        ("SELECT a FROM t WHERE b > = 1 AND b < = 2 AND b ! = 3", "SELECT a FROM t WHERE b >= 1 AND b <= 2 AND b != 3"),
        ("SELECT year ( curdate() ) - born FROM t", "SELECT 2020- born FROM t"),
        ("SELECT value FROM t", "SELECT value FROM t"),
        ("", ""),
    ],
)
def test_text_that_runs(sql: str, expected: str) -> None:
    assert official_gold(sql) == expected


def test_the_word_value_becomes_a_number_in_predictions() -> None:
    assert (
        official_prediction("SELECT values_1, Value FROM t WHERE a = value") == "SELECT 1s_1, Value FROM t WHERE a = 1"
    )


@pytest.mark.parametrize(
    ("gold", "expected"),
    [
        ("SELECT a FROM t ORDER BY a", True),
        ("SELECT a FROM (SELECT a FROM t order by a LIMIT 1)", True),
        ("SELECT 'order by'", True),
        ("SELECT a FROM t ORDER  BY a", False),
        ("SELECT a FROM t; SELECT a FROM t ORDER BY a", False),
        ("SELECT a FROM t", False),
    ],
)
def test_where_order_counts(gold: str, expected: bool) -> None:
    assert counts_order(gold) is expected


@pytest.mark.parametrize(
    ("gold", "predicted", "ordered", "expected"),
    [
        ([], [], True, True),
        ([(1,)], [(1.0,)], False, True),
        ([(1, "a")], [("a", 1.0)], True, True),
        ([(2, 3.5)], [(2.0, 3.5)], False, True),
        # by the text of their values, 1 stands behind 10, and 1.0 before it; 2 behind 2.5, and 2.0 before it
        ([(2, 2.5)], [(2.0, 2.5)], False, False),
        ([(1, 10)], [(1.0, 10)], False, False),
        ([(1, 10)], [(1.0, 10)], True, False),
        ([(1, "1-x")], [(1.0, "1-x")], False, True),
        ([(0.0, 0)], [(-0.0, 0)], False, True),
        ([(1,), (2,)], [(2,), (1,)], True, False),
        ([(b"a", None)], [(None, b"a")], True, True),
        ([("a",)], [(b"a",)], False, False),
    ],
)
def test_rows(gold: list[Row], predicted: list[Row], ordered: bool, expected: bool) -> None:
    assert same_official_rows(gold, predicted, ordered=ordered) is expected
