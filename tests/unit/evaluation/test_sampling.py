from collections import Counter

import pytest

from text2sql_lightning.errors import ConfigError
from text2sql_lightning.evaluation.sampling import stratified_sample

pytestmark = pytest.mark.unit

STRATA = ["easy"] * 248 + ["medium"] * 446 + ["hard"] * 174 + ["extra"] * 166


@pytest.mark.parametrize(
    ("count", "shares"),
    [
        (200, {"easy": 48, "medium": 86, "hard": 34, "extra": 32}),
        (50, {"easy": 12, "medium": 22, "hard": 8, "extra": 8}),
        (1, {"medium": 1}),
    ],
)
def test_shares(count: int, shares: dict[str, int]) -> None:
    chosen = stratified_sample(STRATA, count, seed=3)
    assert chosen == sorted(set(chosen))
    assert Counter(STRATA[at] for at in chosen) == shares
    assert chosen == stratified_sample(STRATA, count, seed=3)
    assert chosen != stratified_sample(STRATA, count, seed=4)


def test_all_and_none() -> None:
    assert stratified_sample(["a", "b"], None, seed=0) == stratified_sample(["a", "b"], 9, seed=0) == [0, 1]
    with pytest.raises(ConfigError, match="--max_examples is 0"):
        stratified_sample(["a"], 0, seed=0)
