"""RunMetadata: run_meta.json, from the start of a run to its end, however it ends."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from lightning.pytorch import Callback

from text2sql_lightning.atomic import write_json
from text2sql_lightning.callbacks.run_facts import git_state, hardware, package_versions, peak_memory_bytes
from text2sql_lightning.constants import RUN_META_FILE
from text2sql_lightning.text.prompts import prompt_sha256

FORMAT_VERSION: Final = 1
Status = Literal["running", "completed", "failed", "interrupted"]
Mode = Literal["train", "smoke", "dry_run", "validate", "test", "predict"]


class RunMetadata(Callback):
    """Keeps `run_meta.json`: written when the run starts, updated when it ends, also when it fails.

    Args:
        folder: The folder of the command's outputs.
        mode: The kind of run.
        config: The resolved configuration, as plain values.
        command: The command line, to repeat the run.
    """

    def __init__(self, folder: str, mode: Mode, config: dict[str, Any], command: list[str]) -> None:
        self.path = Path(folder) / RUN_META_FILE
        self._start = time.monotonic()
        model, data = config.get("model", {}), config.get("data", {})
        self.meta: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "mode": mode,
            "status": "running",
            "error": None,
            "base_model": model.get("base_model"),
            "backend": model.get("backend"),
            "quantization": model.get("quantization"),
            "precision": config.get("trainer", {}).get("precision"),
            "train_path": data.get("train_path"),
            "val_path": data.get("val_path"),
            "output_dir": config.get("output_dir"),
            "config": config,
            "seed": config.get("seed_everything"),
            "num_train_examples": None,
            "num_val_examples": None,
            "dropped": {},
            "data_sha256": {},
            "prompt_sha256": prompt_sha256(),
            **git_state(),
            "versions": package_versions(),
            "hardware": hardware(),
            "world_size": 1,
            "started_at": _now(),
            "finished_at": None,
            "wall_time_s": None,
            "tokens_seen": 0,
            "target_tokens_seen": 0,
            "peak_memory_bytes": None,
            "command": command,
            "decontaminated": None,
        }

    def begin(self) -> None:
        """Write the file; before anything is loaded, so that a failed load leaves a trace as well."""
        write_json(self.path, self.meta)

    def finish(self, status: Status, error: str | None = None) -> None:
        """Write how the run ended; the first word counts."""
        if self.meta["status"] != "running":
            return
        self.meta.update(
            status=status,
            error=error,
            finished_at=_now(),
            wall_time_s=round(time.monotonic() - self._start, 3),
            peak_memory_bytes=peak_memory_bytes(),
        )
        write_json(self.path, self.meta)

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Record what the data module has read."""
        data = trainer.datamodule
        self.meta["world_size"] = trainer.world_size
        for split in ("train", "val", "test", "predict"):
            if (digest := data.file_sha256(split)) is not None:
                self.meta["data_sha256"][split] = digest
                self.meta["dropped"][split] = data.dropped(split)
        flags = {
            record.meta.get("decontaminated")
            for split in self.meta["data_sha256"]
            for record in data.records(split)
        }
        self.meta["decontaminated"] = flags.pop() if len(flags) == 1 else None
        if stage == "fit":
            self.meta["num_train_examples"] = data.num_examples("train")
        if "val" in self.meta["data_sha256"]:
            self.meta["num_val_examples"] = data.num_examples("val")
        self._update(trainer)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Record what `auto` became, and give the loggers the hyperparameters."""
        self.meta["backend"] = pl_module.backend_name
        self._update(trainer)
        for logger in trainer.loggers:
            logger.log_hyperparams(_flat(self.meta["config"]))

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Record what `auto` became."""
        self.meta["backend"] = pl_module.backend_name

    on_test_start = on_validation_start
    on_predict_start = on_validation_start

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Keep the token counters up to date; they are written with the next update."""
        self.meta["tokens_seen"] = pl_module.tokens_seen
        self.meta["target_tokens_seen"] = pl_module.target_tokens_seen

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Write the end of a run that did not."""
        if trainer.is_global_zero:
            self.fail(exception)

    def fail(self, exception: BaseException) -> None:
        """Write that the run failed, or was interrupted."""
        if isinstance(exception, KeyboardInterrupt):
            self.finish("interrupted", "interrupted")
        else:
            lines = str(exception).strip().splitlines() or [""]
            self.finish("failed", f"{type(exception).__name__}: {lines[0]}")

    def _update(self, trainer: Any) -> None:
        if trainer.is_global_zero and self.meta["status"] == "running":
            write_json(self.path, self.meta)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
