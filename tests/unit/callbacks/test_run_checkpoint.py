"""Which state is written when; the callback is driven as Lightning drives it."""

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from text2sql_lightning.callbacks.run_checkpoint import RunCheckpoint, random_state, restore_random_state
from text2sql_lightning.errors import ConfigError

pytestmark = pytest.mark.unit


class Recorder(RunCheckpoint):
    """Notes what would be saved."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(dirpath="unused", **settings)
        self.saved = []

    def _monitor_candidates(self, trainer: Any) -> Any:
        return {}

    def _save_last_checkpoint(self, trainer: Any, monitor_candidates: Any) -> Any:
        self.saved.append(("last", trainer.global_step))
        self._last_global_step_saved = trainer.global_step

    def _save_topk_checkpoint(self, trainer: Any, monitor_candidates: Any) -> Any:
        self.saved.append(("best", trainer.global_step))


def make_trainer(max_steps: Any = 5, fn: Any = "fit") -> Any:
    trainer = SimpleNamespace(
        global_step=0,
        max_steps=max_steps,
        should_stop=False,
        fast_dev_run=False,
        sanity_checking=False,
        state=SimpleNamespace(fn=fn),
        world_size=1,
        datamodule=None,
        current_epoch=0,
    )
    counters = [SimpleNamespace(ready=0, started=0, processed=0, completed=0) for _ in range(2)]
    trainer.fit_loop = SimpleNamespace(
        state_dict=lambda: {"step": trainer.global_step},
        epoch_progress=SimpleNamespace(current=counters[0], total=counters[1]),
    )
    return trainer


def train(callback: Any, trainer: Any, steps: Any, accumulate: Any = 1) -> Any:
    for micro_batch in range(steps * accumulate):
        callback.on_train_batch_start(trainer, None, None, micro_batch)
        trainer.global_step += (micro_batch + 1) % accumulate == 0
        callback.on_train_batch_end(trainer, None, None, None, micro_batch)


def test_saved_every_n_steps_and_at_the_end() -> None:
    callback, trainer = Recorder(every_n_steps=2), make_trainer(max_steps=5)
    train(callback, trainer, 4)
    assert callback.saved == [("last", 2), ("last", 4)]
    assert not trainer.should_stop
    train(callback, trainer, 1)
    assert callback.saved[2:] == [("last", 5)]
    assert trainer.should_stop  # so that Lightning validates before it ends
    callback.on_validation_end(trainer, None)
    callback.on_train_end(trainer, None)
    assert callback.saved[3:] == [("best", 5), ("last", 5)]


def test_never_between_micro_batches() -> None:
    callback, trainer = Recorder(every_n_steps=1), make_trainer()
    train(callback, trainer, 2, accumulate=4)
    assert callback.saved == [("last", 1), ("last", 2)]


def test_last_is_renewed_when_the_best_is_not() -> None:
    callback, trainer = Recorder(), make_trainer(max_steps=-1)
    trainer.global_step = 7
    callback.on_validation_end(trainer, None)
    assert callback.saved == [("best", 7), ("last", 7)]  # whether it is the best is decided there


def test_a_fit_without_validation_is_saved_at_its_end() -> None:
    callback, trainer = Recorder(), make_trainer(max_steps=-1)
    train(callback, trainer, 3)
    callback.on_train_end(trainer, None)
    callback.on_train_end(trainer, None)
    assert callback.saved == [("last", 3)]


@pytest.mark.parametrize("change", [{"fast_dev_run": True}, {"sanity_checking": True}, {"fn": "validate"}])
def test_nothing_is_saved_outside_of_a_fit(change: Any) -> None:
    callback, trainer = Recorder(every_n_steps=1), make_trainer(fn=change.get("fn", "fit"))
    trainer.__dict__.update(change)
    callback.on_validation_end(trainer, None)
    assert callback.saved == []


def test_random_state_survives_safe_unpickling(tmp_path: Path) -> None:
    random.seed(3)
    torch.manual_seed(3)
    torch.save(random_state(), tmp_path / "state")
    expected = random.random(), torch.rand(2).tolist()
    random.seed(4)
    torch.manual_seed(4)
    restore_random_state(torch.load(tmp_path / "state", weights_only=True))
    assert (random.random(), torch.rand(2).tolist()) == expected


def test_the_state_of_a_checkpoint_is_used_once_and_at_the_first_batch() -> None:
    callback = Recorder()
    torch.manual_seed(3)
    state = callback.state_dict()
    expected = torch.rand(2).tolist()
    other = Recorder()
    other.load_state_dict(state)
    torch.manual_seed(4)
    other.on_train_batch_start(make_trainer(), None, None, 0)
    assert torch.rand(2).tolist() == expected
    other.on_train_batch_start(make_trainer(), None, None, 1)
    assert torch.rand(2).tolist() != expected


def test_between_micro_batches_the_step_before_is_described() -> None:
    callback, trainer = Recorder(), make_trainer()
    train(callback, trainer, 2)
    boundary = callback.state_dict()["random_states"][0]
    callback.on_train_batch_start(trainer, None, None, 2)
    torch.rand(2)
    trainer.fit_loop.state_dict = lambda: {"step": "half of the third"}
    checkpoint: dict[str, Any] = {"loops": {"fit_loop": trainer.fit_loop.state_dict()}, "epoch": 0}
    callback.on_save_checkpoint(trainer, None, checkpoint)
    assert checkpoint["loops"]["fit_loop"] == {"step": 2}
    assert torch.equal(callback.state_dict()["random_states"][0]["torch"], boundary["torch"])
    trainer.global_step = 3
    callback.on_train_batch_end(trainer, None, None, None, 2)
    assert not torch.equal(callback.state_dict()["random_states"][0]["torch"], boundary["torch"])


def test_wrong_interval() -> None:
    with pytest.raises(ConfigError, match=r"checkpoint.every_n_steps is 0; it must be at least 1"):
        RunCheckpoint(dirpath="unused", every_n_steps=0)
