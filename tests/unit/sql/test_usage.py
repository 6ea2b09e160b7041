import pytest
from hypothesis import given
from hypothesis import strategies as st

from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.sql.testdb.usage import Usage, read_usage
from text2sql_lightning.sql.testdb.values import Condition, Place

pytestmark = pytest.mark.unit

SCHEMA = Schema.from_ddl("CREATE TABLE t (a VARCHAR, b VARCHAR, id INT); CREATE TABLE u (id INT, c VARCHAR)")


def a(operator: str, *values: object, negated: bool = False) -> Condition:
    return Condition(Place(0, "t", "a"), operator, values, negated)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("where", "condition"),
    [
        ('a = "Rock"', a("=", "Rock")),
        ("'Rock' = T.A", a("=", "Rock")),
        ("3 < a", a(">", 3)),
        ("NOT a <> -1.5", a("=", -1.5)),
        ("a BETWEEN 1 AND 2", a("between", 1, 2)),
        ("NOT a IN (1, 'x')", a("in", 1, "x", negated=True)),
        ("a NOT LIKE '%x'", a("like", "%x", negated=True)),
        ("a IS NOT NULL", a("is", negated=True)),
        ("LOWER(a) = 'x'", a("=", "x")),
    ],
)
def test_conditions(where: str, condition: Condition) -> None:
    assert read_usage(f"SELECT b FROM t WHERE {where}", SCHEMA).conditions == [condition]


def test_text_that_is_a_column_is_a_column() -> None:
    usage = read_usage('SELECT b FROM t WHERE a = "b"', SCHEMA)
    assert usage.conditions == []
    assert usage.links == [(Place(0, "t", "a"), Place(0, "t", "b"))]


def test_joins_groups_and_orders() -> None:
    usage = read_usage(
        "SELECT T1.a FROM t AS T1 JOIN u AS T2 ON T1.id = T2.id GROUP BY T2.c HAVING COUNT(*) >= 2 AND AVG(b) > 7 "
        "ORDER BY SUM(b) DESC LIMIT 5",
        SCHEMA,
    )
    assert usage.instances == {(0, "t1"): "t", (0, "t2"): "u"}
    assert usage.links == [(Place(0, "t1", "id"), Place(0, "t2", "id"))]
    assert usage.groups == {Place(0, "t2", "c")}
    assert usage.counts == [2]
    assert usage.conditions == [Condition(Place(0, "t1", "b"), ">", (7,))]
    assert usage.numeric == {Place(0, "t1", "b")}
    assert usage.limit == 5


def test_nested_queries_and_set_operations() -> None:
    usage = read_usage("SELECT a FROM t WHERE id IN (SELECT id FROM u WHERE c = 'x')", SCHEMA)
    assert usage.links == [(Place(0, "t", "id"), Place(1, "u", "id"))]
    assert usage.conditions == [Condition(Place(1, "u", "c"), "=", ("x",))]
    usage = read_usage("SELECT a FROM t INTERSECT SELECT c FROM u", SCHEMA)
    assert usage.links == [(Place(0, "t", "a"), Place(1, "u", "c"))]
    usage = read_usage("SELECT x.n FROM (SELECT a AS n FROM t) AS x WHERE x.n = 2", SCHEMA)
    assert [condition.place.column for condition in usage.conditions] == ["a"]


@pytest.mark.parametrize(
    ("condition", "holding", "missing"),
    [
        (a("=", 3), 3, 4),
        (a("=", "3"), 3, "03"),
        (a(">", 3), 3.5, 3),
        (a("<=", "b"), "a", "c"),
        (a("like", "%OC_"), "rock", "roc"),
        (a("between", 1, 3), 3, 4),
        (a("in", 1, 3, negated=True), 2, 3),
        (a("is"), None, 3),
        (a("is", negated=True), 3, None),
        (a("<>", 1), 2, None),
    ],
)
def test_values_hold_or_miss(condition: Condition, holding: int, missing: int) -> None:
    assert condition.holds(holding)
    assert not condition.holds(missing)


WORDS = ["SELECT", "a", ",", "FROM", "t", "u", "WHERE", "(", ")", "=", "'x'", "AND", "IN", "UNION", "id"]


@given(st.text() | st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_no_text_raises(sql: str) -> None:
    assert isinstance(read_usage(sql, SCHEMA), Usage)


def test_what_the_largest_and_smallest_is_taken_of_and_what_is_counted() -> None:
    usage = read_usage("SELECT MAX(a), COUNT(DISTINCT b), COUNT(*) FROM t GROUP BY id ORDER BY MIN(b), a DESC", SCHEMA)
    assert usage.highest == {Place(0, "t", "a")}
    assert usage.lowest == {Place(0, "t", "b")}
    assert usage.counted == {Place(0, "t", "b")}
