import json

import pytest

from text2sql_lightning.errors import DataError
from text2sql_lightning.evaluation.execution_accuracy import Verdict
from text2sql_lightning.evaluation.report import RULES, summarize

pytestmark = pytest.mark.unit

RIGHT, WRONG, CASE = (
    Verdict(True, True, None, True),
    Verdict(False, False, "syntax", True),
    Verdict(False, True, None, True),
)
INVALID = Verdict(False, False, None, False)


def test_figures() -> None:
    figures = summarize(
        [RIGHT, CASE, WRONG, RIGHT, INVALID],
        ["easy", "easy", "hard", "medium", "extra"],
        ["a", "b", "b", "c", "d"],
        [True, False, False, False, True],
    )
    interval = figures.pop("interval_95")
    assert interval[0] <= 0.5 <= interval[1]
    assert figures == {
        "n": 4,
        "schemas": 3,
        "gold_invalid": 1,
        "execution_accuracy": 0.5,
        "execution_accuracy_case_blind": 0.75,
        "exact_match": 0.25,
        "by_hardness": {
            "easy": {"n": 2, "execution_accuracy": 0.5},
            "medium": {"n": 1, "execution_accuracy": 1.0},
            "hard": {"n": 1, "execution_accuracy": 0.0},
        },
        "errors": {"syntax": 1},
    }
    json.dumps(figures, allow_nan=False)
    json.dumps(RULES)


def test_nothing_to_report_is_an_error() -> None:
    with pytest.raises(DataError, match="none of the 1 records"):
        summarize([INVALID], ["easy"], ["a"], [False])
    with pytest.raises(DataError, match="one entry for each record"):
        summarize([RIGHT], ["easy"], ["a"], [])
