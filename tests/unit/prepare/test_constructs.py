import pytest

from text2sql_lightning.prepare.repairs import constructs

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT a FROM t", ()),
        ("SELECT count(*) FROM t WHERE a = 'GROUP BY'", ("filter", "aggregate")),
        ("SELECT a, MAX (b) FROM t GROUP BY a HAVING COUNT(*) > 1", ("aggregate", "GROUP BY", "HAVING")),
        ("SELECT DISTINCT a FROM t JOIN u ON t.i = u.i ORDER BY a LIMIT 3", ("ORDER BY", "LIMIT", "join", "DISTINCT")),
        ("SELECT a FROM t WHERE b IN (SELECT b FROM u) UNION SELECT a FROM v", ("filter", "subquery", "set operation")),
        (
            "SELECT a FROM t WHERE b LIKE '%x' AND c BETWEEN 1 AND 2 AND d IS NOT NULL",
            ("filter", "LIKE", "BETWEEN", "NULL"),
        ),
        ('SELECT count FROM t WHERE "max" = 3', ("filter",)),
        ("", ()),
    ],
)
def test_constructs(sql: str, expected: tuple[str, ...]) -> None:
    assert constructs(sql) == expected
