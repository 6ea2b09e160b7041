"""RunCheckpoint: `last.ckpt` is always the newest state, `best.ckpt` the one with the lowest validation loss."""

import io
import os
import random
import shutil
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor, distributed

from text2sql_lightning.callbacks.interruption import StopRequest
from text2sql_lightning.errors import ConfigError
from text2sql_lightning.files.atomic import write_bytes

if TYPE_CHECKING:
    from lightning.fabric.utilities.types import _PATH
    from lightning.pytorch.loops.progress import _Progress


class RunCheckpoint(ModelCheckpoint):
    """Writes what a run needs to go on exactly: trainable weights, optimizer, schedule, data position, random state.

    Lightning's own callback renews `last.ckpt` only together with a better `best.ckpt`, never between validations, and
    a fit that `max_steps` ends within an epoch is not validated at all. SIGTERM and SIGUSR1 end a run after the step
    at work, with a checkpoint of it. In a single process they end a validation at once where the step before it is
    saved, and `validate`, `test` and `predict`, where nothing can be lost; elsewhere after it.

    Args:
        dirpath: The folder of the checkpoints; follows `output_dir`.
        monitor: The metric that decides which checkpoint is the best.
        mode: Whether the `min` or the `max` of the metric is the best.
        every_n_steps: Write `last.ckpt` after this many optimizer steps, besides after each validation.
        keep_earlier: How many states before the last one are kept, as `step-N.ckpt`.
    """

    def __init__(
        self,
        dirpath: str | None = None,
        monitor: str = "val/loss",
        mode: str = "min",
        every_n_steps: int = 50,
        keep_earlier: int = 1,
    ) -> None:
        for name, value, least in (("every_n_steps", every_n_steps, 1), ("keep_earlier", keep_earlier, 0)):
            if value < least:
                raise ConfigError(f"checkpoint.{name} is {value}; it must be at least {least}")
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
        self.keep_earlier = keep_earlier
        self._step_of_last: int | None = None
        self._seen_step = 0
        self._random_state: dict[str, Any] | None = None
        self._stop = StopRequest()
        self._boundary: dict[str, Any] = {}
        self._within_step = False
        self._total_steps = float("inf")

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write checkpoints so that a full disk costs no older one; a plugin that the user has chosen stays."""
        super().setup(trainer, pl_module, stage)
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
            trainer.strategy.checkpoint_io = AtomicCheckpointIO()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count from where the run starts or goes on, and be asked to stop from now on."""
        super().on_train_start(trainer, pl_module)
        self._seen_step = trainer.global_step
        self._step_of_last = trainer.global_step if trainer.ckpt_path else None
        self._total_steps = float(trainer.estimated_stepping_batches)
        self._remember_boundary(trainer)
        self._stop.listen()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave signals alone again."""
        self._stop.release()
        super().teardown(trainer, pl_module, stage)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int) -> None:
        """Go on with the random state of the checkpoint; here, because preparing a run also draws numbers."""
        if self._random_state is not None:
            restore_random_state(self._random_state)
            self._random_state = None
            self._remember_boundary(trainer)
        _count_this_epoch(trainer.fit_loop.epoch_progress)
        self._within_step = True

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Save between validations, on optimizer steps only; and see to it that the last step is validated."""
        step = trainer.global_step
        if step == self._seen_step or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        self._seen_step = step
        self._remember_boundary(trainer)
        ends = step == trainer.max_steps
        if ends:
            trainer.should_stop = True
        stops = self._stop.is_agreed(trainer)
        if ends or stops or step % self.every_n_steps == 0:
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))
        if stops and not ends:  # at the end a resumed run would have nothing left to do: it ends as it should
            raise SIGTERMException

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let a request to stop end a validation at once, where the step before it is saved and no process waits."""
        if trainer.state.fn == "validate":
            self.on_test_start(trainer, pl_module)
        elif trainer.state.fn == "fit" and self._last_global_step_saved == trainer.global_step < self._total_steps:
            self._stop.may_stop_at_once = trainer.world_size == 1

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let a request to stop end the command at once."""
        if trainer.world_size == 1:  # elsewhere Lightning stops all processes, after a batch
            self._stop.listen()
            self._stop.may_stop_at_once = True

    on_predict_start = on_test_start

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save what was just validated; also as the best, if it is."""
        self._stop.may_stop_at_once = False
        if trainer.state.fn != "fit" or trainer.sanity_checking or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        candidates = self._monitor_candidates(trainer)
        self._save_topk_checkpoint(trainer, candidates)
        self._save_last_checkpoint(trainer, candidates)
        if trainer.global_step < self._total_steps and self._stop.is_agreed(trainer):
            raise SIGTERMException

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the end of a fit that was not validated there."""
        if self._last_global_step_saved != trainer.global_step and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

    def _save_last_checkpoint(self, trainer: Trainer, monitor_candidates: dict[str, Tensor]) -> None:
        """Keep the state before as `step-N.ckpt`, then write the new one over `last.ckpt`."""
        step, self._step_of_last = self._step_of_last, trainer.global_step
        if step is not None and step != trainer.global_step and trainer.is_global_zero:
            _keep_earlier_state(Path(str(self.dirpath)), step, self.keep_earlier)
        super()._save_last_checkpoint(trainer, monitor_candidates)

    def _remember_boundary(self, trainer: Trainer) -> None:
        """Keep where the run is: between two optimizer steps."""
        self._within_step = False
        data = cast(LightningDataModule | None, trainer.datamodule)  # type: ignore[attr-defined]
        self._boundary = {
            "random": random_state(),
            "fit_loop": deepcopy(trainer.fit_loop.state_dict()),
            "epoch": trainer.current_epoch,
            "data": None if data is None else data.state_dict(),
        }

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Describe the last completed step, also where a validation comes between the micro-batches of the next.

        The weights are still those of that step; progress and data position have gone on.
        """
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        if self._within_step:
            checkpoint["loops"]["fit_loop"] = self._boundary["fit_loop"]
            checkpoint["epoch"] = self._boundary["epoch"]
            if self._boundary["data"]:
                name = type(trainer.datamodule).__qualname__  # type: ignore[attr-defined]
                checkpoint[name] = self._boundary["data"]

    def state_dict(self) -> dict[str, Any]:
        """Add the random state."""
        random_now = self._boundary["random"] if self._within_step else random_state()
        return {**super().state_dict(), "random_states": _of_all_ranks(random_now)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the random state until training starts."""
        super().load_state_dict(state_dict)
        states, rank = state_dict["random_states"], distributed.get_rank() if _is_distributed() else 0
        self._random_state = states[rank] if rank < len(states) else None  # one rank more than before


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint under another name in its folder and moves it to its place.

    Lightning's own writes it to the system's folder for temporary files. Where that is on another disk, moving it is
    copying it, and a disk that is full, or a process that is killed, leaves half a file in place of the older one.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: "_PATH", storage_options: Any | None = None) -> None:
        """Write a checkpoint; one at an address such as s3://... as Lightning does."""
        if "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_bytes(Path(path), buffer.getbuffer())


def _keep_earlier_state(folder: Path, step: int, count: int) -> None:
    """Link the file behind `last.ckpt`, of optimizer step `step`, under a second name; `count` such files stay."""
    last, name = folder / "last.ckpt", folder / f"step-{step:08d}.ckpt"
    if not last.exists():
        return
    if count:
        name.unlink(missing_ok=True)
        try:
            os.link(last, name)
        except OSError:  # a file system without links
            shutil.copyfile(last, name)
    # Those of later steps belong to a run that went on from an earlier state: they are left alone.
    earlier = sorted(path for path in folder.glob("step-*.ckpt") if path.name <= name.name)
    for path in earlier[: len(earlier) - count]:
        path.unlink()


def _count_this_epoch(progress: "_Progress") -> None:
    """Let Lightning's counters say that an epoch is under way.

    After a resume at the end of an epoch Lightning (2.6.6) does not count the next one as begun; a run that is resumed
    once more would train it again.
    """
    for counter in (progress.current, progress.total):
        counter.ready = counter.started = counter.processed + 1  # type: ignore[attr-defined]


def _of_all_ranks(state: dict[str, Any]) -> list[dict[str, Any]]:
    """Collect the states of all processes, in order of rank; each draws its own dropout."""
    if not _is_distributed():
        return [state]
    states = [state] * distributed.get_world_size()
    distributed.all_gather_object(states, state)
    return states


def _is_distributed() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def random_state() -> dict[str, Any]:
    """Return the state of the generators that training draws from, in values that safe unpickling accepts."""
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
