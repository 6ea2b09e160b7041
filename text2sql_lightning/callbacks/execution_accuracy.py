"""ExecutionAccuracy: generate SQL for evaluation records, execute it, and log how much of it is right."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import torch.distributed
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn

from text2sql_lightning.callbacks.run_files import data_of
from text2sql_lightning.constants import PREDICTIONS_FILE
from text2sql_lightning.errors import ConfigError
from text2sql_lightning.evaluation.execution_accuracy import score_many
from text2sql_lightning.evaluation.metrics import RunMetrics
from text2sql_lightning.evaluation.result_match import normalized_exact_match
from text2sql_lightning.evaluation.results import from_prediction, is_executed
from text2sql_lightning.evaluation.statistics import stratified_sample
from text2sql_lightning.files.atomic import write_json_lines
from text2sql_lightning.sql.execution import adheres_to_context
from text2sql_lightning.sql.hardness import hardness
from text2sql_lightning.text.prompts import build_prompt, split_input

if TYPE_CHECKING:
    from text2sql_lightning.module import Text2SQLModule

SUBSET_SEED: Final = 0
"""Not the run's seed: runs with different seeds are compared on the same records."""
NOT_AVAILABLE: Final = "none has gold SQL that runs here (SQL of another dialect does not)"


Row = dict[str, Any]
"""A line of `predictions.jsonl`."""


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

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """See to it that nothing waits for a metric that will not come.

        Raises:
            ConfigError: A callback monitors what is logged here, and no record is scored during the fit.
        """
        monitors = [str(getattr(callback, "monitor", None)) for callback in trainer.callbacks]  # type: ignore[attr-defined]
        monitored = [name for name in monitors if name.startswith("val/execution_accuracy")]
        if monitored and not self.fit_examples:
            raise ConfigError(
                f"{monitored[0]} is monitored, but execution_accuracy.fit_examples is 0, so that it is never measured; "
                "give a number above 0, or monitor val/loss"
            )

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score the validation records."""
        if not trainer.sanity_checking:
            self._score(trainer, pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score the test records."""
        self._score(trainer, pl_module, "test")

    def _score(self, trainer: Trainer, module: LightningModule, split: str) -> None:
        fitting = trainer.state.fn == "fit"
        limit = self.fit_examples if fitting else self.max_examples
        records = choose_records(data_of(trainer).records(split), limit)
        if not records:
            return
        start = time.perf_counter()
        own = range(trainer.global_rank, len(records), trainer.world_size)
        rows = self._score_records(cast("Text2SQLModule", module), [records[index] for index in own], not fitting)
        seconds = time.perf_counter() - start
        figures = {name: value.item() for name, value in _metrics(records, own, rows, module.device).items()}
        if not figures["num_scored"]:
            rank_zero_warn(f"{split}/execution_accuracy is not available: of {len(records)} records {NOT_AVAILABLE}")
        for name, value in {**figures, "execution_accuracy_seconds": seconds}.items():
            # Equal on all ranks but for the seconds; `max` keeps it to the last bit, a mean might not.
            shown = name == "execution_accuracy"
            module.log(f"{split}/{name}", value, prog_bar=shown, reduce_fx="max", sync_dist=True)
        if fitting:
            return
        scored = gather(list(zip(own, rows, strict=True)), trainer.world_size)
        if trainer.is_global_zero and trainer.state.fn is not None:
            write_json_lines(self.output_dir / trainer.state.fn.value / PREDICTIONS_FILE, scored)

    def _score_records(self, module: "Text2SQLModule", records: list[Any], progress: bool) -> list[Row]:
        answers = module.generate([build_prompt(record.instruction, record.input) for record in records], progress)
        parts = [split_input(record.input) for record in records]
        items = [
            (context if is_executed(record.meta) else "", record.output, answer.sql)  # no schema: not scored
            for (context, _), record, answer in zip(parts, records, answers, strict=True)
        ]
        verdicts = score_many(items, seed=0, timeout_s=self.timeout_s, workers=1, progress=progress)
        return [
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
            }
            for record, (context, question), answer, verdict in zip(records, parts, answers, verdicts, strict=True)
        ]


def _metrics(
    records: Sequence[Any], own: Sequence[int], rows: Sequence[Row], device: torch.device
) -> dict[str, torch.Tensor]:
    """Return the figures over the rows of all processes; the records are the same in each of them."""
    levels = [hardness_of(record) for record in records]
    metrics = RunMetrics(levels, [record.source for record in records]).to(device)
    metrics.update(
        [
            from_prediction(row, group="", hardness=levels[at], source=records[at].source)
            for at, row in zip(own, rows, strict=True)
        ]
    )
    return metrics.compute()


def _check_settings(fit_examples: int, max_examples: int | None, timeout_s: float) -> None:
    if fit_examples < 0:
        raise ConfigError(f"execution_accuracy.fit_examples is {fit_examples}; it must be 0 or more")
    if max_examples is not None and max_examples < 1:
        raise ConfigError(f"execution_accuracy.max_examples is {max_examples}; it must be at least 1, or null for all")
    if not timeout_s > 0:
        raise ConfigError(f"execution_accuracy.timeout_s is {timeout_s}; it must be a number above 0")


def hardness_of(record: Any) -> str:
    """Return a record's hardness: what its `meta` says, or else the rating of its gold SQL."""
    return str(record.meta.get("hardness") or hardness(record.output))


def choose_records(records: Sequence[Any], limit: int | None) -> list[Any]:
    """Take at most `limit` records, each hardness by its share: the same ones each time and in each process."""
    if limit is None or limit >= len(records):
        return list(records)
    if limit == 0:
        return []
    chosen = stratified_sample([hardness_of(record) for record in records], limit, seed=SUBSET_SEED)
    return [records[index] for index in chosen]


def gather(rows: list[tuple[int, Row]], world_size: int) -> list[Row]:
    """Collect the numbered rows of all ranks, in the order of the records."""
    if world_size > 1:
        parts: list[Any] = [None] * world_size
        torch.distributed.all_gather_object(parts, rows)
        rows = [row for part in parts for row in part]
    return [row for _, row in sorted(rows, key=lambda row: row[0])]
