import pytest

from text2sql_lightning.prepare.repairs import is_mangled, repair_gold

pytestmark = pytest.mark.unit

CONTEXT = 'CREATE TABLE t (a VARCHAR, b INTEGER, "order" VARCHAR)'


@pytest.mark.parametrize(
    ("sql", "question", "expected", "repairs"),
    [
        (
            "SELECT a FROM t WHERE b < 14 OFFSET 485",
            "Fewer than 14,485?",
            "SELECT a FROM t WHERE b < 14485",
            ("joined number 14,485",),
        ),
        (
            "SELECT a FROM t WHERE b < 1 OFFSET 000 AND c > 2 OFFSET 345 OFFSET 678.50",
            "Under 1,000 and over 2,345,678.50",
            "SELECT a FROM t WHERE b < 1000 AND c > 2345678.50",
            ("joined number 1,000", "joined number 2,345,678.50"),
        ),
        (
            'SELECT a FROM t WHERE a = "x" AND b = 70 - 68 = 138',
            "A score of 70-68=138?",
            'SELECT a FROM t WHERE a = "x" AND b = "70-68=138"',
            ("quoted value 70-68=138",),
        ),
        (
            "SELECT a FROM t WHERE a = 'x' AND b = 4 - 3",
            "x, 4-3?",
            "SELECT a FROM t WHERE a = 'x' AND b = '4-3'",
            ("quoted value 4-3",),
        ),
        (
            "SELECT order FROM t ORDER BY order",
            "Orders?",
            'SELECT "order" FROM t ORDER BY "order"',
            ("quoted names in the query",),
        ),
    ],
)
def test_what_the_question_proves_is_repaired(sql: str, question: str, expected: str, repairs: tuple[str, ...]) -> None:
    assert repair_gold(sql, CONTEXT, question) == (expected, repairs)


@pytest.mark.parametrize(
    ("sql", "question"),
    [
        ("SELECT a FROM t LIMIT 14 OFFSET 485", "The 14,485?"),
        ("SELECT a FROM t WHERE b < 14 OFFSET 485", "Fewer than 14485?"),
        ("SELECT a FROM t WHERE b < 14 OFFSET 485", "Fewer than 214,485?"),
        ("SELECT a FROM t WHERE b < 14 OFFSET 485", "Fewer than 14,485,000?"),
        ("SELECT a FROM t WHERE b = 70 - 68", "70 minus 68?"),
        ("SELECT a FROM t WHERE b = 70 - 68", "In 1970-68?"),
        ("SELECT b - 1 FROM t WHERE b > 10 - 2", "10-2?"),
        ("SELECT a FROM t WHERE b = 'order'", "order?"),
    ],
)
def test_what_is_not_certain_stays(sql: str, question: str) -> None:
    assert repair_gold(sql, CONTEXT, question) == (sql, ())


@pytest.mark.parametrize(
    ("sql", "mangled"),
    [
        ("SELECT 1 AS st_leg FROM t", True),
        ("SELECT 2009 AS _season FROM t", True),
        ("SELECT a, 000 AS _ FROM t", True),
        ("SELECT 2009 FROM t WHERE a = 'x'", True),
        ("SELECT DISTINCT 2009 FROM t", True),
        ("SELECT MAX(2009) FROM t", True),
        ("SELECT COUNT(DISTINCT 2009) FROM t", True),
        ("SELECT a FROM t WHERE 2012 = '1r'", True),
        ("SELECT a FROM t WHERE a = 'x' AND 2012 > 5", True),
        ("SELECT COUNT(1) FROM t", False),
        ("SELECT a FROM t WHERE b BETWEEN 1 AND 5", False),
        ("SELECT a FROM t WHERE b BETWEEN 1 AND 5 AND a = 'x'", False),
        ("SELECT a FROM t WHERE EXISTS (SELECT 1 FROM t)", False),
        ("SELECT 1 AS one FROM t", False),
        ("SELECT SUM(b) * 100 FROM t HAVING SUM(b) > 2", False),
        ("SELECT a FROM t WHERE b = 1 OR b = 2", False),
        ("SELECT 1", False),
        ("SELECT", False),
    ],
)
def test_a_query_whose_column_became_a_number(sql: str, mangled: bool) -> None:
    assert is_mangled(sql) is mangled
