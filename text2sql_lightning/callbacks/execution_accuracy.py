"""ExecutionAccuracy: generate SQL for evaluation records, execute it, and log how much of it is right."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch.distributed
from lightning.pytorch import Callback
from lightning.pytorch.utilities import rank_zero_warn

from text2sql_lightning.constants import PREDICTIONS_FILE
from text2sql_lightning.errors import ConfigError
from text2sql_lightning.evaluation.execution_accuracy import score_many
from text2sql_lightning.evaluation.result_match import normalized_exact_match
from text2sql_lightning.evaluation.results import figures_by_source, is_executed
from text2sql_lightning.evaluation.statistics import stratified_sample
from text2sql_lightning.files.atomic import write_json_lines
from text2sql_lightning.sql.execution import adheres_to_context
from text2sql_lightning.sql.hardness import hardness
from text2sql_lightning.text.prompts import build_prompt, split_input

SUBSET_SEED: Final = 0
"""Not the run's seed: runs with different seeds are compared on the same records."""
NOT_AVAILABLE: Final = "none has gold SQL that runs here (SQL of another dialect does not)"


@dataclass(frozen=True)
class ScoredPrediction:
    """One record with its answer and verdicts, as `predictions.jsonl` keeps it; its hardness and its source."""

    position: int
    row: dict[str, Any]
    hardness: str = "unknown"
    source: str = ""


class ExecutionAccuracy(Callback):
    """Scores generated SQL by executing it on databases made from each record's CREATE TABLE text.

    Logs under `val/` or `test/`, over the records whose gold SQL runs: `execution_accuracy` (exact text comparison) and
    the same as `execution_accuracy_<hardness>` for each hardness and, where records come from several sources, as
    `execution_accuracy/<source>`; `execution_accuracy_case_blind`, `exact_match`, `valid_sql` and `schema_adherence`;
    besides `num_scored` and `execution_accuracy_seconds`, what generating and scoring took on the slowest process.
    During `fit` a fixed subset of the validation records is scored, in which each hardness has its share, by `validate`
    and `test` all of them; those two also write `predictions.jsonl`. Processes share the work and all log the same
    values, so that any of these can be monitored.

    Args:
        output_dir: The run's output folder.
        fit_examples: Records scored at each validation of a fit, the same ones each time. 0 scores none.
        max_examples: Records scored by `validate` and `test`; null for all.
        timeout_s: Seconds that one query may take.
    """

    def __init__(
        self, output_dir: str, fit_examples: int = 64, max_examples: int | None = None, timeout_s: float = 5.0
    ) -> None:
        _check_settings(fit_examples, max_examples, timeout_s)
        self.output_dir = Path(output_dir)
        self.fit_examples = fit_examples
        self.max_examples = max_examples
        self.timeout_s = timeout_s

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """See to it that nothing waits for a metric that will not come.

        Raises:
            ConfigError: A callback monitors what is logged here, and no record is scored during the fit.
        """
        monitors = [str(getattr(callback, "monitor", None)) for callback in trainer.callbacks]
        monitored = [name for name in monitors if name.startswith("val/execution_accuracy")]
        if monitored and not self.fit_examples:
            raise ConfigError(
                f"{monitored[0]} is monitored, but execution_accuracy.fit_examples is 0, so that it is never measured; "
                "give a number above 0, or monitor val/loss"
            )

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Score the validation records."""
        if not trainer.sanity_checking:
            self._score(trainer, pl_module, "val")

    def on_test_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Score the test records."""
        self._score(trainer, pl_module, "test")

    def _score(self, trainer: Any, module: Any, split: str) -> None:
        fitting = trainer.state.fn == "fit"
        limit = self.fit_examples if fitting else self.max_examples
        records = choose_records(trainer.datamodule.records(split), limit)
        if not records:
            return
        start = time.perf_counter()
        own = range(trainer.global_rank, len(records), trainer.world_size)
        scored = self._score_records(module, [(index, records[index]) for index in own], not fitting)
        seconds = time.perf_counter() - start
        scored = gather(scored, trainer.world_size)
        figures = summary(scored)
        if not figures["num_scored"]:
            rank_zero_warn(f"{split}/execution_accuracy is not available: of {len(scored)} records {NOT_AVAILABLE}")
        for name, value in {**figures, "execution_accuracy_seconds": seconds}.items():
            # Equal on all ranks but for the seconds; `max` keeps it to the last bit, a mean might not.
            shown = name == "execution_accuracy"
            module.log(f"{split}/{name}", value, prog_bar=shown, reduce_fx="max", sync_dist=True)
        if not fitting and trainer.is_global_zero:
            folder = self.output_dir / trainer.state.fn.value
            write_json_lines(folder / PREDICTIONS_FILE, [prediction.row for prediction in scored])

    def _score_records(self, module: Any, records: list[tuple[int, Any]], progress: bool) -> list[ScoredPrediction]:
        prompts = [build_prompt(record.instruction, record.input) for _, record in records]
        answers = module.generate(prompts, progress=progress)
        parts = [split_input(record.input) for _, record in records]
        items = [
            (context if is_executed(record.meta) else "", record.output, answer.sql)  # no schema: not scored
            for (context, _), (_, record), answer in zip(parts, records, answers, strict=True)
        ]
        verdicts = score_many(items, seed=0, timeout_s=self.timeout_s, workers=1, progress=progress)
        return [
            ScoredPrediction(
                index,
                {
                    "id": record.id,
                    "question": question,
                    "gold": record.output,
                    "predicted": answer.sql,
                    "raw": answer.raw,
                    "num_tokens": answer.num_tokens,
                    "exec": verdict.exec,
                    "exec_case_blind": verdict.exec_case_blind,
                    "exact": normalized_exact_match(record.output, answer.sql),
                    "adheres": adheres_to_context(answer.sql, context),
                    "gold_runs": verdict.gold_runs,
                    "error": verdict.error,
                },
                hardness_of(record),
                record.source,
            )
            for (index, record), (context, question), answer, verdict in zip(
                records, parts, answers, verdicts, strict=True
            )
        ]


def _check_settings(fit_examples: int, max_examples: int | None, timeout_s: float) -> None:
    if fit_examples < 0:
        raise ConfigError(f"execution_accuracy.fit_examples is {fit_examples}; it must be 0 or more")
    if max_examples is not None and max_examples < 1:
        raise ConfigError(f"execution_accuracy.max_examples is {max_examples}; it must be at least 1, or null for all")
    if not timeout_s > 0:
        raise ConfigError(f"execution_accuracy.timeout_s is {timeout_s}; it must be a number above 0")


def hardness_of(record: Any) -> str:
    """Give a record's hardness: what the data set says, or else the rating of its gold SQL."""
    return str(record.meta.get("hardness") or hardness(record.output))


def choose_records(records: Sequence[Any], limit: int | None) -> list[Any]:
    """Take at most `limit` records, each hardness by its share: the same ones each time and in each process."""
    if limit is None or limit >= len(records):
        return list(records)
    if limit == 0:
        return []
    chosen = stratified_sample([hardness_of(record) for record in records], limit, seed=SUBSET_SEED)
    return [records[index] for index in chosen]


def gather(scored: list[ScoredPrediction], world_size: int) -> list[ScoredPrediction]:
    """Collect the predictions of all ranks, in the order of the records."""
    if world_size > 1:
        parts: list[Any] = [None] * world_size
        torch.distributed.all_gather_object(parts, scored)
        scored = [prediction for part in parts for prediction in part]
    return sorted(scored, key=lambda prediction: prediction.position)


def summary(scored: list[ScoredPrediction]) -> dict[str, float]:
    """Give the share of right answers among the records whose gold SQL runs: in all, for each hardness and source.

    Where gold runs on no record there is no share, and `num_scored` is 0.
    """
    valid = [prediction for prediction in scored if prediction.row["gold_runs"]]
    rows = [prediction.row for prediction in valid]
    if not rows:
        return {"num_scored": 0.0}
    by_level: dict[str, list[bool]] = {}
    for prediction in valid:
        by_level.setdefault(prediction.hardness, []).append(prediction.row["exec"])
    return {
        "execution_accuracy": _share([row["exec"] for row in rows]),
        "execution_accuracy_case_blind": _share([row["exec_case_blind"] for row in rows]),
        "exact_match": _share([row["exact"] for row in rows]),
        "valid_sql": _share([row["error"] is None for row in rows]),
        "schema_adherence": _share([row["adheres"] for row in rows]),
        **{f"execution_accuracy_{level}": _share(by_level[level]) for level in sorted(by_level)},
        **figures_by_source(valid, lambda prediction: prediction.source, _source_figures),
        "num_scored": float(len(rows)),
    }


def _share(verdicts: Sequence[bool]) -> float:
    return sum(verdicts) / len(verdicts)


def _source_figures(predictions: list[ScoredPrediction]) -> dict[str, float]:
    return {"execution_accuracy": _share([prediction.row["exec"] for prediction in predictions])}
