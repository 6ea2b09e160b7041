"""The files that every run leaves: `run_meta.json`, `metrics.json`, and the adapter of a fit."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from lightning.pytorch import Callback, LightningModule, Trainer

from text2sql_lightning.constants import ADAPTERS_DIR, METRICS_FILE, PROMPT_FILE
from text2sql_lightning.files.atomic import replaced_folder, write_json
from text2sql_lightning.files.jsonl import JsonObject
from text2sql_lightning.runs.run_meta import RunMeta
from text2sql_lightning.text.prompts import INSTRUCTION, PROMPT_FORMAT_VERSION, PROMPT_TEMPLATE, prompt_sha256

if TYPE_CHECKING:
    from text2sql_lightning.module import Text2SQLModule


class RunRecord(Protocol):
    """What callbacks read of a record."""

    id: str
    instruction: str
    input: str
    output: str | None
    source: str
    meta: JsonObject


class RunData(Protocol):
    """What callbacks ask the data module of a run, which says what it means; splits go by their name."""

    paths: Mapping[str, str | None]
    records: Callable[[str], Sequence[RunRecord]]
    num_examples: Callable[[str], int]
    dropped: Callable[[str], dict[str, int]]
    file_sha256: Callable[[str], str | None]
    decontaminated: Callable[[], bool | None]


def data_of(trainer: Trainer) -> RunData:
    """Return the data module of a run."""
    return cast(RunData, trainer.datamodule)  # type: ignore[attr-defined]


class RunMetadata(Callback):
    """Fills `run_meta.json`. The command writes its start and its end; this adds what only the run knows.

    Args:
        run: The file's keeper.
    """

    def __init__(self, run: RunMeta) -> None:
        self.run = run

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Record what the data module has read."""
        data = data_of(trainer)
        splits = [split for split in ("train", "val", "test", "predict") if data.file_sha256(split) is not None]
        self._update(
            trainer,
            world_size=trainer.world_size,
            data_sha256={split: data.file_sha256(split) for split in splits},
            dropped={split: data.dropped(split) for split in splits},
            num_train_examples=data.num_examples("train") if "train" in splits else None,
            num_val_examples=data.num_examples("val") if "val" in splits else None,
            decontaminated=data.decontaminated(),
        )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record what `auto` became, and log the hyperparameters."""
        self.on_validation_start(trainer, pl_module)
        for logger in trainer.loggers:
            logger.log_hyperparams(flatten(self.run.meta["config"]))

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record what `auto` became."""
        self._update(trainer, backend=pl_module.backend_name)

    on_test_start = on_validation_start
    on_predict_start = on_validation_start

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Keep the token counters; they are written with the next update."""
        for name in ("tokens_seen", "target_tokens_seen"):
            self.run.meta[name] = getattr(pl_module, name)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Write the end of a run that did not go well."""
        if trainer.is_global_zero:
            self.run.fail(exception)

    def _update(self, trainer: Trainer, **values: object) -> None:
        if trainer.is_global_zero:
            self.run.update(**values)


def flatten(config: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Turn nested settings into `a.b` -> value."""
    result: dict[str, object] = {}
    for key, value in config.items():
        result |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return result


class MetricsJson(Callback):
    """Writes `metrics.json`, the last value of every metric, after each validation and at the end.

    Args:
        folder: The folder of the command's outputs.
    """

    def __init__(self, folder: str) -> None:
        self.path = Path(folder) / METRICS_FILE

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what is known so far; after a prediction, which has no scores, an empty object."""
        if trainer.is_global_zero and not trainer.sanity_checking:
            write_json(self.path, plain_metrics(trainer))

    on_train_end = on_test_end = on_predict_end = on_validation_end


def plain_metrics(trainer: Trainer) -> dict[str, float | None]:
    """Return `stage/name` -> number, sorted; what is not finite becomes null, which JSON can hold."""
    values = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return {name: value if math.isfinite(value) else None for name, value in sorted(values.items())}


class AdapterCheckpoint(Callback):
    """Saves `adapters/`, ready for peft: weights as safetensors, configuration, tokenizer and prompt.

    Args:
        output_dir: The run's output folder.
    """

    def __init__(self, output_dir: str) -> None:
        self.folder = Path(output_dir) / ADAPTERS_DIR
        self._saved_step = -1

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save what was just scored."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self.on_train_end(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the final adapter, also of a run that goes on from its last step and has nothing left to train."""
        if not trainer.is_global_zero or self._saved_step == trainer.global_step:
            return
        module = cast("Text2SQLModule", pl_module)
        with replaced_folder(self.folder) as folder:
            module.model.save_pretrained(str(folder), save_embedding_layers=False)
            module.tokenizer.save_pretrained(str(folder))
            write_json(folder / PROMPT_FILE, prompt_description())
        self._saved_step = trainer.global_step

    on_fit_end = on_train_end


def prompt_description() -> dict[str, str | int]:
    """Describe the prompt that the adapter was trained with."""
    return {
        "format_version": PROMPT_FORMAT_VERSION,
        "template": PROMPT_TEMPLATE,
        "instruction": INSTRUCTION,
        "sha256": prompt_sha256(),
    }
