from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from text2sql_lightning.evaluation.statistics import stratified_sample

pytestmark = pytest.mark.unit

LABELS = ["easy"] * 50 + ["medium"] * 30 + ["hard"] * 15 + ["extra"] * 5


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (20, {"easy": 10, "medium": 6, "hard": 3, "extra": 1}),
        (10, {"easy": 5, "medium": 3, "hard": 1, "extra": 1}),
        (5, {"easy": 2, "medium": 1, "hard": 1, "extra": 1}),
        (4, {"easy": 1, "medium": 1, "hard": 1, "extra": 1}),
        (2, {"easy": 1, "medium": 1}),
        (0, {}),
    ],
)
def test_shares(size: int, expected: dict[str, int]) -> None:
    assert Counter(LABELS[i] for i in stratified_sample(LABELS, size)) == expected


def test_all_where_there_are_no_more() -> None:
    assert stratified_sample(["a", "b"], None) == [0, 1]
    assert stratified_sample(["a", "b"], 5) == [0, 1]
    assert stratified_sample([], 5) == []


def test_the_seed_decides() -> None:
    assert stratified_sample(LABELS, 20) == stratified_sample(LABELS, 20, seed=0)
    assert stratified_sample(LABELS, 20) != stratified_sample(LABELS, 20, seed=1)


@given(st.lists(st.sampled_from("abcd"), max_size=60), st.integers(0, 70))
def test_a_sample_of_any_labels(labels: list[str], size: int) -> None:
    chosen = stratified_sample(labels, size)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(size, len(labels))
    if size >= len(set(labels)):
        assert {labels[i] for i in chosen} == set(labels)
