from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from text2sql_lightning.sql.testdb.values import (
    Condition,
    Literal,
    Place,
    Pool,
    PoolSpec,
    edges,
    is_numeric_text,
    matching,
    near_misses,
)

pytestmark = pytest.mark.unit

PLACE = Place(0, "t", "a")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Condition(PLACE, ">", (1993,)), {1992, 1994}),
        (Condition(PLACE, "=", (1.5,)), {1.0, 2.0}),
        (Condition(PLACE, "=", ("Rock",)), {"rOCK"}),
        (Condition(PLACE, "=", ("9",)), {"8", "10"}),
        (Condition(PLACE, "between", (10, 20)), {9, 11, 15, 13, 19, 21}),
        (Condition(PLACE, "is", ()), set()),
    ],
)
def test_near_misses(condition: Condition, expected: set[Literal]) -> None:
    assert expected <= set(near_misses(condition, Random(0)))


def test_a_date_is_missed_by_a_digit() -> None:
    near = {str(v) for seed in range(9) for v in near_misses(Condition(PLACE, "=", ("2010-01-31",)), Random(seed))}
    assert {"2010-01-32", "2010-01-30", "2011-01-31", "2009-01-31"} <= near


@given(st.text("ab%_é", max_size=6), st.integers(0, 99))
def test_a_pattern_gets_texts_that_match_it(pattern: str, seed: int) -> None:
    assert Condition(PLACE, "like", (pattern,)).holds(matching(pattern, Random(seed)))


def test_a_pool_has_values_on_both_sides() -> None:
    condition = Condition(PLACE, ">", (100,))
    pool = PoolSpec(numeric=True, narrow=False, conditions=(condition,)).draw(Random(0))
    fulfilling = pool.fulfilling([condition])
    assert all(isinstance(value, int) and value > 100 for value in fulfilling)
    assert 0 < len(fulfilling) < len({*pool.wanted, *pool.near, *pool.others})


@pytest.mark.parametrize(
    ("text", "numeric"), [("25", True), ("-1.5", True), ("007", False), ("1,201", False), ("", False)]
)
def test_numbers_as_text(text: str, numeric: bool) -> None:
    assert is_numeric_text(text) is numeric


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        (">", (5,), [6]),
        (">=", (5,), [5]),
        ("<", (5,), [4]),
        ("<=", (5,), [5]),
        ("between", (3, 9), [3, 9]),
        (">", (248.44,), [248.45]),
        ("<", ("1993",), ["1992"]),
        (">", ("Rock",), ["Rock"]),
        ("=", (5,), []),
        ("like", ("%x",), []),
    ],
)
def test_edges_only_just_fulfil_a_comparison(operator: str, values: tuple[Any, ...], expected: list[Any]) -> None:
    assert edges(Condition(Place(0, "t", "a"), operator, values)) == expected


def test_an_extreme_is_outside_all_other_values() -> None:
    pool, rng = Pool((3,), (2, 4), (10, 20)), Random(0)
    assert all(pool.extreme(rng, above=True) > 20 for _ in range(20))  # type: ignore[operator]
    assert all(pool.extreme(rng, above=False) < 2 for _ in range(20))  # type: ignore[operator]
    words = Pool(("Rock",), (), ("Amber", "Zephyr"))
    assert words.extreme(rng, above=True) > "Zephyr"  # type: ignore[operator]
    assert words.extreme(rng, above=False) < "Amber"  # type: ignore[operator]
