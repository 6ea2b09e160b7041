"""RunCheckpoint: `last.ckpt` is always the newest state, `best.ckpt` the one with the lowest validation loss."""

import random
from typing import Any

import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from text2sql_lightning.errors import ConfigError


class RunCheckpoint(ModelCheckpoint):
    """Writes what a run needs to go on exactly: trainable weights, optimizer, schedule, data position, random state.

    Lightning's own callback renews `last.ckpt` only together with a better `best.ckpt`, never between validations, and
    a fit that `max_steps` ends within an epoch is not validated at all.

    Args:
        dirpath: The folder of the checkpoints; follows `output_dir`.
        monitor: The metric that decides which checkpoint is the best.
        mode: Whether the `min` or the `max` of the metric is the best.
        every_n_steps: Write `last.ckpt` after this many optimizer steps, besides after each validation.
    """

    def __init__(
        self, dirpath: str | None = None, monitor: str = "val/loss", mode: str = "min", every_n_steps: int = 50
    ) -> None:
        if every_n_steps < 1:
            raise ConfigError(f"checkpoint.every_n_steps is {every_n_steps}; it must be at least 1")
        super().__init__(
            dirpath=dirpath,
            filename="best",
            monitor=monitor,
            mode=mode,
            save_last=True,
            auto_insert_metric_name=False,
            enable_version_counter=False,
            save_on_train_epoch_end=False,
        )
        self.every_n_steps = every_n_steps
        self._seen_step = 0
        self._random_state: dict[str, Any] | None = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Count from where the run starts or goes on."""
        super().on_train_start(trainer, pl_module)
        self._seen_step = trainer.global_step

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Go on with the random state of the checkpoint; here, because preparing a run also draws numbers."""
        if self._random_state is not None:
            restore_random_state(self._random_state)
            self._random_state = None

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Save between validations, on optimizer steps only; and see to it that the last step is validated."""
        step = trainer.global_step
        if step == self._seen_step or trainer.fast_dev_run:
            return
        self._seen_step = step
        ends = step == trainer.max_steps
        if ends:
            trainer.should_stop = True
        if ends or step % self.every_n_steps == 0:
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Save what was just validated; also as the best, if it is."""
        if trainer.state.fn != "fit" or trainer.sanity_checking or trainer.fast_dev_run:
            return
        candidates = self._monitor_candidates(trainer)
        self._save_topk_checkpoint(trainer, candidates)
        self._save_last_checkpoint(trainer, candidates)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Save the end of a fit that was not validated there."""
        if self._last_global_step_saved != trainer.global_step and not trainer.fast_dev_run:
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

    def state_dict(self) -> dict[str, Any]:
        """Add the random state."""
        return {**super().state_dict(), "random_state": random_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the random state until training starts."""
        super().load_state_dict(state_dict)
        self._random_state = state_dict["random_state"]


def random_state() -> dict[str, Any]:
    """Give the state of the random generators that training draws from, in values that safe unpickling accepts."""
    version, numbers, gauss = random.getstate()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"python": [version, list(numbers), gauss], "torch": torch.get_rng_state(), "cuda": cuda}


def restore_random_state(state: dict[str, Any]) -> None:
    """Bring the random generators back to a state of `random_state`; that of GPUs only where their number agrees."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    torch.set_rng_state(state["torch"].cpu())
    if len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([saved.cpu() for saved in state["cuda"]])
