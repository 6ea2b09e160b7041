import json

import pytest

from text2sql_lightning.evaluation.results import SPIDER_MEASURES, ScoredExample, make_figures
from text2sql_lightning.evaluation.statistics import wilson_interval

pytestmark = pytest.mark.unit


def example(
    key: str, group: str, right: bool | None, hardness: str = "easy", error: str | None = None
) -> ScoredExample:
    verdicts = {"exec": right, "exec_suite": None, "exact": right if right is not None else key == "0"}
    return ScoredExample(key, group, "q", "SELECT 1", "SELECT 2", verdicts, hardness, error)


def test_shares_intervals_and_splits() -> None:
    examples = [
        example("0", "a", True),
        example("1", "a", True, "extra"),
        example("2", "b", False, "medium", "wrong_rows"),
        example("3", "c", True),
        example("4", "c", False, "easy", "syntax"),
        example("5", "c", False, "easy", "wrong_rows"),
    ]
    figures = make_figures(examples, SPIDER_MEASURES)
    assert (figures["n"], figures["databases"], figures["execution_accuracy"]) == (6, 3, 0.5)
    assert figures["test_suite_accuracy"] is None
    assert figures["headline"] == "execution_accuracy"
    low, high = figures["confidence_interval_95"]
    assert figures["intervals_95"]["execution_accuracy"] == [low, high]
    assert 0.0 <= low < 0.5 < high <= 1.0
    assert list(figures["by_hardness"]) == ["easy", "medium", "extra"]
    assert figures["by_hardness"]["easy"]["execution_accuracy"] == 0.5
    assert figures["by_database"]["c"]["n"] == 3
    assert figures["by_database"]["c"]["execution_accuracy"] == pytest.approx(1 / 3)
    assert figures["errors"] == {"wrong_rows": 2, "syntax": 1}
    assert sum(figures["errors"].values()) == 3
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    assert make_figures(examples, SPIDER_MEASURES) == figures


def test_without_databases_exact_set_match_is_the_headline() -> None:
    figures = make_figures([example("0", "a", None), example("1", "b", None)], SPIDER_MEASURES)
    assert figures["execution_accuracy"] is None
    assert figures["headline"] == "exact_set_match"
    assert figures["exact_set_match"] == 0.5
    assert figures["confidence_interval_95"] == figures["intervals_95"]["exact_set_match"]


def test_an_interval_never_shrinks_to_a_point() -> None:
    figures = make_figures([example(str(i), str(i), True) for i in range(10)], SPIDER_MEASURES)
    assert figures["confidence_interval_95"] == pytest.approx([0.7225, 1.0], abs=1e-4)


@pytest.mark.parametrize(
    ("right", "n", "interval"),
    [(5, 10, (0.2366, 0.7634)), (0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0)), (81, 263, (0.2553, 0.3662))],
)
def test_wilson(right: int, n: int, interval: tuple[float, float]) -> None:
    assert wilson_interval(right, n) == pytest.approx(interval, abs=1e-4)
