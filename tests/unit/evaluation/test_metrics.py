import pytest
import torch
from torch import Tensor

from text2sql_lightning.evaluation.execution_accuracy import Verdict
from text2sql_lightning.evaluation.metrics import (
    ExactMatch,
    ExactSetMatch,
    ExampleAccuracy,
    ExecutionAccuracy,
    SchemaAdherence,
    ValidSQLRate,
)
from text2sql_lightning.sql.schema import Schema

pytestmark = pytest.mark.unit

RIGHT, WRONG, CASE = (
    Verdict(True, True, None, True),
    Verdict(False, False, None, True),
    Verdict(False, True, None, True),
)
INVALID = Verdict(False, False, None, False)


def test_an_example_counts_once() -> None:
    metric = ExampleAccuracy()
    metric.update(["a", "b"], [True, False])
    metric.update(["c", "a"], [False, True])
    assert metric.compute().item() == pytest.approx(1 / 3)
    metric.reset()
    assert metric.compute().item() == 0.0


def test_the_first_judgement_stays() -> None:
    metric = ExampleAccuracy()
    metric.update(["a", "a"], [True, False])
    assert metric.compute().item() == 1.0


def test_execution_accuracy_leaves_out_invalid_gold() -> None:
    exact, blind = ExecutionAccuracy(), ExecutionAccuracy(case_blind=True)
    for metric in (exact, blind):
        metric.update(["a", "b", "c", "d"], [RIGHT, CASE, WRONG, INVALID])
    assert exact.compute().item() == pytest.approx(1 / 3)
    assert blind.compute().item() == pytest.approx(2 / 3)


def test_exact_match() -> None:
    metric = ExactMatch()
    metric.update(["a", "b"], ["SELECT a", "SELECT b"], ["select A;", "SELECT c"])
    assert metric.compute().item() == 0.5


@pytest.mark.parametrize("here", [[], ["a", "b"]])
def test_processes_are_gathered(here: list[str]) -> None:
    there = ExampleAccuracy()
    there.update(["b", "c"], [True, False])

    def gather(state: Tensor, group: object = None) -> list[Tensor]:
        assert state.dtype == torch.int64
        assert state.shape[1] == 2
        return [state, there.judged[0]]

    metric = ExactMatch(dist_sync_fn=gather, distributed_available_fn=lambda: True)
    if here:
        metric.update(here, ["SELECT 1"] * 2, ["SELECT 1"] * 2)
    assert metric.compute().item() == pytest.approx(2 / 3 if here else 1 / 2)
    assert sum(map(len, metric.judged)) == len(here)


def test_valid_sql_rate_leaves_out_invalid_gold() -> None:
    metric = ValidSQLRate()
    metric.update(["a", "b", "c", "d"], [RIGHT, WRONG, Verdict(False, False, "timeout", True), INVALID])
    assert metric.compute().item() == pytest.approx(2 / 3)


def test_schema_adherence() -> None:
    metric = SchemaAdherence()
    schema = Schema.from_ddl("CREATE TABLE t (a INT)")
    metric.update(["a", "b", "c", "d"], ["SELECT a FROM t", "SELECT b FROM t", "no SQL", "SELECT 1"], [schema] * 4)
    assert metric.compute().item() == 0.5


def test_exact_set_match() -> None:
    pytest.importorskip("text2sql_lightning.evaluation.spider.exact_set_match")
    metric = ExactSetMatch()
    schema = Schema.from_ddl("CREATE TABLE t (a INT, b INT)")
    metric.update(["a", "b"], ["SELECT a, b FROM t"] * 2, ["SELECT b, a FROM t", "SELECT a FROM t"], [schema] * 2)
    assert metric.compute().item() == 0.5
