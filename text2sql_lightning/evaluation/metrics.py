"""Accuracies as torchmetrics: each example counts once, however many processes saw it."""

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from text2sql_lightning.evaluation.execution_accuracy import Verdict
from text2sql_lightning.evaluation.result_match import normalized_exact_match
from text2sql_lightning.evaluation.spider.exact_set_match import exact_set_match
from text2sql_lightning.sql.execution import adheres_to_schema
from text2sql_lightning.sql.schema import Schema


class ExampleAccuracy(Metric):
    """The share of examples that are right, each counted once by its id.

    A distributed sampler repeats examples to fill the last batch; summing counts would let those count twice.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    judged: list[Tensor]

    def __init__(self, **kwargs: Any) -> None:
        """Take the keyword arguments of `torchmetrics.Metric`."""
        super().__init__(**kwargs)
        self.add_state("judged", default=[], dist_reduce_fx="cat")

    def update(self, ids: Sequence[str], correct: Sequence[bool]) -> None:
        """Add examples; one whose id is known already changes nothing."""
        pairs = [(_number_of(name), int(right)) for name, right in zip(ids, correct, strict=True)]
        self.judged.append(torch.tensor(pairs, dtype=torch.int64, device=self.device).reshape(-1, 2))

    def compute(self) -> Tensor:
        """Return the share between 0 and 1; 0 without any example."""
        pairs = dim_zero_cat(self.judged).tolist() if len(self.judged) else []
        once = dict(reversed(pairs))  # reversed, so that the first judgement on an id is the one that stays
        return torch.tensor(sum(once.values()) / max(1, len(once)), dtype=torch.float32, device=self.device)

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather from all processes; one that has seen nothing sends an empty list of the right type."""
        if len(self.judged) == 0:
            self.judged.append(torch.empty(0, 2, dtype=torch.int64, device=self.device))
        super().sync(*args, **kwargs)


class ExecutionAccuracy(ExampleAccuracy):
    """The share of predictions that return what gold returns; examples whose gold query does not run are left out.

    Args:
        case_blind: Take the verdicts that ignore letter case.
        kwargs: Those of `torchmetrics.Metric`.
    """

    def __init__(self, *, case_blind: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.case_blind = case_blind

    def update(self, ids: Sequence[str], verdicts: Sequence[Verdict]) -> None:  # type: ignore[override]
        """Add the verdicts on examples."""
        valid = [(name, verdict) for name, verdict in zip(ids, verdicts, strict=True) if verdict.gold_runs]
        correct = [verdict.exec_case_blind if self.case_blind else verdict.exec for _, verdict in valid]
        super().update([name for name, _ in valid], correct)


class ExactMatch(ExampleAccuracy):
    """The share of predictions that are the gold query's text, but for what SQL does not look at."""

    def update(self, ids: Sequence[str], gold: Sequence[str], predicted: Sequence[str]) -> None:  # type: ignore[override]
        """Add examples by their gold and predicted queries."""
        super().update(ids, [normalized_exact_match(g, p) for g, p in zip(gold, predicted, strict=True)])


class ExactSetMatch(ExampleAccuracy):
    """The share of predictions whose parts are gold's, by Spider's rules."""

    def update(  # type: ignore[override]
        self, ids: Sequence[str], gold: Sequence[str], predicted: Sequence[str], schemas: Sequence[Schema]
    ) -> None:
        """Add examples by their gold and predicted queries and the tables that these are about."""
        super().update(ids, [exact_set_match(*example) for example in zip(gold, predicted, schemas, strict=True)])


class ValidSQLRate(ExampleAccuracy):
    """The share of predictions that run on the record's own tables; examples whose gold does not are left out."""

    def update(self, ids: Sequence[str], verdicts: Sequence[Verdict]) -> None:  # type: ignore[override]
        """Add the verdicts on examples."""
        valid = [(name, verdict) for name, verdict in zip(ids, verdicts, strict=True) if verdict.gold_runs]
        super().update([name for name, _ in valid], [verdict.error is None for _, verdict in valid])


class SchemaAdherence(ExampleAccuracy):
    """The share of predictions that use no table or column but those of their schema."""

    def update(self, ids: Sequence[str], predicted: Sequence[str], schemas: Sequence[Schema]) -> None:  # type: ignore[override]
        """Add examples by their predicted queries and the tables that these may use."""
        super().update(ids, [adheres_to_schema(*example) for example in zip(predicted, schemas, strict=True)])


def _number_of(name: str) -> int:
    """Return an id as a signed 64-bit number: processes exchange tensors, not strings."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:8], "big", signed=True)
