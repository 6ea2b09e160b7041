"""The figures of a run as a torchmetrics Metric, in one process and with the gathering of several."""

import pytest
import torch
from torch import Tensor

from text2sql_lightning.evaluation.metrics import RunMetrics
from text2sql_lightning.evaluation.results import ScoredExample, run_figures

pytestmark = pytest.mark.unit


def scored(key: str, right: bool, hardness: str = "easy", source: str = "a", gold_runs: bool = True) -> ScoredExample:
    names = ("exec", "exec_case_blind", "exact", "runs", "adheres")
    verdicts: dict[str, bool | None] = dict.fromkeys(names, right) if gold_runs else {}
    return ScoredExample(key, "", "", "", "", verdicts, hardness, None, source=source)


EXAMPLES = [
    scored("1", True),
    scored("2", False),
    scored("3", True, "hard", "b"),
    scored("4", True, "extra", gold_runs=False),
]


def make(**settings: object) -> RunMetrics:
    return RunMetrics(["easy", "hard", "extra"], ["a", "b"], **settings)


def test_the_figures_are_those_of_the_scorer() -> None:
    metric = make()
    metric.update(EXAMPLES[:1])
    metric.update(EXAMPLES[1:])
    found = {name: value.item() for name, value in metric.compute().items()}
    assert found == pytest.approx(run_figures(EXAMPLES))
    assert found["execution_accuracy/b"] == 1.0
    assert "execution_accuracy_extra" not in found
    metric.reset()
    assert {name: value.item() for name, value in metric.compute().items()} == {"num_scored": 0.0}


def test_an_example_counts_once_and_its_first_judgement_stays() -> None:
    metric = make()
    metric.update([scored("a", True), scored("b", False)])
    metric.update([scored("c", False), scored("a", False)])
    found = metric.compute()
    assert found["execution_accuracy"].item() == pytest.approx(1 / 3)
    assert found["num_scored"].item() == 3


@pytest.mark.parametrize("here", [[], ["a", "b"]])
def test_processes_are_gathered(here: list[str]) -> None:
    there = make()
    there.update([scored("b", True), scored("c", False)])

    def gather(state: Tensor, group: object = None) -> list[Tensor]:
        assert state.dtype == torch.int64
        assert state.shape[1] == there.judged[0].shape[1]
        return [state, there.judged[0]]

    metric = make(dist_sync_fn=gather, distributed_available_fn=lambda: True)
    if here:
        metric.update([scored(key, True) for key in here])
    assert metric.compute()["execution_accuracy"].item() == pytest.approx(2 / 3 if here else 1 / 2)
    assert sum(map(len, metric.judged)) == len(here)
