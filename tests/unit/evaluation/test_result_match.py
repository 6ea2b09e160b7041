import random
import time
from collections import Counter
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sql_lightning.evaluation.result_match import same_rows

pytestmark = pytest.mark.unit

ROWS = st.lists(st.tuples(*[st.sampled_from([None, 0, 1, 1.0, "1", "a", b"a"])] * 3), max_size=4)


@pytest.mark.parametrize(
    ("gold", "predicted", "ordered", "expected"),
    [
        ([], [], False, True),
        ([(1,)], [], False, False),
        ([(1, "a")], [("a", 1)], False, True),
        ([(1, "a")], [("a", 1)], True, True),
        ([(1,), (2,)], [(2,), (1,)], False, True),
        ([(1,), (2,)], [(2,), (1,)], True, False),
        ([(1,), (1,), (2,)], [(1,), (2,), (2,)], False, False),
        ([(1,), (1,)], [(1,)], False, False),
        ([(1, 2)], [(1,)], False, False),
        ([(1,)], [(1.0,)], False, True),
        ([(1,)], [("1",)], False, False),
        ([("Rock",)], [("rock",)], False, False),
        ([(None,)], [("",)], False, False),
        # every column has the same values, but rows pair them differently
        ([(1, 1), (2, 2)], [(1, 2), (2, 1)], False, False),
        ([(1, 2, 3), (2, 1, 3)], [(3, 2, 1), (3, 1, 2)], False, True),
        ([(1, "x"), (2, "y")], [("y", 2), ("x", 1)], False, True),
        ([(1, "x"), (2, "y")], [("y", 2), ("x", 1)], True, False),
    ],
)
def test_known_pairs(
    gold: list[tuple[object, ...]], predicted: list[tuple[object, ...]], ordered: bool, expected: bool
) -> None:
    assert same_rows(gold, predicted, ordered=ordered) is expected


def by_trying_all(gold: list[tuple[object, ...]], predicted: list[tuple[object, ...]], ordered: bool) -> bool:
    if len(gold) != len(predicted):
        return False
    for order in permutations(range(3)):
        turned = [tuple(row[i] for i in order) for row in predicted]
        if turned == gold or (not ordered and Counter(turned) == Counter(gold)):
            return True
    return False


@given(ROWS, ROWS, st.booleans())
@settings(max_examples=300)
def test_any_pair_as_by_trying_every_order(gold: list, predicted: list, ordered: bool) -> None:
    assert same_rows(gold, predicted, ordered=ordered) == by_trying_all(gold, predicted, ordered)


@given(ROWS, st.permutations(range(3)), st.randoms())
def test_turned_columns_and_shuffled_rows_are_the_same(gold: list, order: list[int], rng: random.Random) -> None:
    turned = [tuple(row[i] for i in order) for row in gold]
    assert same_rows(gold, turned, ordered=True)
    rng.shuffle(turned)
    assert same_rows(gold, turned, ordered=False)


def test_many_columns_alike_take_no_factorial_time() -> None:
    rng = random.Random(3)
    columns = list(range(24))
    gold = [tuple(int(row == column) for column in columns) for row in columns]
    rng.shuffle(columns)
    predicted = [tuple(row[i] for i in columns) for row in gold]
    start = time.perf_counter()
    assert same_rows(gold, predicted, ordered=False)
    assert same_rows([(0,) * 60] * 60, [(0,) * 60] * 60 + [], ordered=False)
    random_bits = [tuple(rng.randint(0, 1) for _ in range(24)) for _ in range(100)]
    other_bits = [tuple(rng.randint(0, 1) for _ in range(24)) for _ in range(100)]
    assert not same_rows(random_bits, other_bits, ordered=False)
    assert time.perf_counter() - start < 5
