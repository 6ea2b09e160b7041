"""The figures of a run as a torchmetrics Metric: each example counts once, however many processes saw it."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from text2sql_lightning.evaluation.results import RUN_MEASURES, ScoredExample, run_figures

_VERDICTS: Final = [measure.verdict for measure in RUN_MEASURES]
_NO_VERDICT: Final = -1


class RunMetrics(Metric):
    """The figures of `run_figures` over the examples of all processes, each example counted once by its id.

    A distributed sampler repeats examples to fill the last batch; summing counts would let those count twice.

    Args:
        levels: Ratings of hardness that occur in any process.
        sources: Sources that occur in any process.
        kwargs: Those of `torchmetrics.Metric`.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    judged: list[Tensor]

    def __init__(self, levels: Sequence[str], sources: Sequence[str] = ("",), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._levels, self._sources = sorted(set(levels)), sorted(set(sources))
        self.add_state("judged", default=[], dist_reduce_fx="cat")

    def update(self, examples: Sequence[ScoredExample]) -> None:
        """Add examples; one whose key is known already changes nothing."""
        rows = [
            [
                _number_of(example.key),
                self._levels.index(example.hardness),
                self._sources.index(example.source),
                *(_NO_VERDICT if (holds := example.holds(name)) is None else int(holds) for name in _VERDICTS),
            ]
            for example in examples
        ]
        self.judged.append(self._rows(rows))

    def compute(self) -> dict[str, Tensor]:
        """Return the figures by name."""
        rows = dim_zero_cat(self.judged).tolist() if len(self.judged) else []
        once = {row[0]: row for row in reversed(rows)}  # reversed, so that the first judgement on an id stays
        figures = run_figures([self._example(row) for row in once.values()])
        return {name: torch.tensor(value, device=self.device) for name, value in figures.items()}

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather from all processes; one that has seen nothing sends an empty list of the right type."""
        if len(self.judged) == 0:
            self.judged.append(self._rows([]))
        super().sync(*args, **kwargs)

    def _rows(self, rows: list[list[int]]) -> Tensor:
        return torch.tensor(rows, dtype=torch.int64, device=self.device).reshape(-1, 3 + len(_VERDICTS))

    def _example(self, row: list[int]) -> ScoredExample:
        key, level, source, *verdicts = row
        holds = {name: None if v == _NO_VERDICT else bool(v) for name, v in zip(_VERDICTS, verdicts, strict=True)}
        return ScoredExample(str(key), "", "", "", "", holds, self._levels[level], None, source=self._sources[source])


def _number_of(key: str) -> int:
    """Return an id as a signed 64-bit number: processes exchange tensors, not strings."""
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8], "big", signed=True)
