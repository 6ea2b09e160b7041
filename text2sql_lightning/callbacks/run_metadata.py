"""RunMetadata: keeps run_meta.json up to date as a run learns more about itself."""

from typing import Any

from lightning.pytorch import Callback

from text2sql_lightning.runs.run_meta import RunMeta


class RunMetadata(Callback):
    """Fills `run_meta.json`. The command writes its start and its end; this adds what only the run knows.

    Args:
        run: The file's keeper.
    """

    def __init__(self, run: RunMeta) -> None:
        self.run = run

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Record what the data module has read."""
        data = trainer.datamodule
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

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Record what `auto` became, and give the loggers the hyperparameters."""
        self._update(trainer, backend=pl_module.backend_name)
        for logger in trainer.loggers:
            logger.log_hyperparams(flat(self.run.meta["config"]))

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Record what `auto` became."""
        self._update(trainer, backend=pl_module.backend_name)

    on_test_start = on_validation_start
    on_predict_start = on_validation_start

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Keep the token counters; they are written with the next update."""
        self.run.meta["tokens_seen"] = pl_module.tokens_seen
        self.run.meta["target_tokens_seen"] = pl_module.target_tokens_seen
        self.run.meta["out_of_memory_splits"] = pl_module.out_of_memory_splits

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Write the end of a run that did not go well."""
        if trainer.is_global_zero:
            self.run.fail(exception)

    def _update(self, trainer: Any, **values: Any) -> None:
        if trainer.is_global_zero:
            self.run.update(**values)


def flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn nested settings into `a.b` -> value."""
    result: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            result |= flat(value, f"{prefix}{key}.")
        else:
            result[prefix + key] = value
    return result
