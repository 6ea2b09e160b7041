import json
import logging
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from text2sql_lightning.data.batching import LengthBucketBatchSampler, ResumableLoader, plan_batches

pytestmark = pytest.mark.unit

LENGTHS = [(7 * index) % 13 + 1 for index in range(23)]


def flat(batches: list[list[int]]) -> list[int]:
    return [index for batch in batches for index in batch]


def test_evaluation_plan_by_hand() -> None:
    batches = plan_batches([9, 2, 8, 1], 2, seed=42, shuffle=False)
    assert sorted(batches) == [[2, 0], [3, 1]]


def test_training_plan_is_pinned() -> None:
    # these very numbers: a plan must not depend on the machine, the Python version or the hash seed
    assert plan_batches([9, 2, 8, 1, 5, 5, 3], 2, seed=42, epoch=0) == [[4, 2], [3, 1], [0], [6, 5]]


@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=300),
    batch_size=st.integers(1, 9),
    world_size=st.integers(1, 5),
    shuffle=st.booleans(),
    epoch=st.integers(0, 3),
)
@settings(max_examples=200, deadline=None)
def test_every_example_once_over_all_ranks(
    lengths: list[int], batch_size: int, world_size: int, shuffle: bool, epoch: int
) -> None:
    plans = [
        plan_batches(lengths, batch_size, seed=1, epoch=epoch, shuffle=shuffle, world_size=world_size, rank=rank)
        for rank in range(world_size)
    ]
    seen = [index for plan in plans for index in flat(plan)]
    repeated = len(seen) - len(lengths)
    assert set(seen) == set(range(len(lengths)))
    assert 0 <= repeated <= (world_size - 1 if shuffle else 0)
    assert all(batch for plan in plans for batch in plan)
    if shuffle or len(lengths) >= world_size:
        assert len({len(plan) for plan in plans}) == 1
    assert max(len(batch) for plan in plans for batch in plan) <= batch_size + (0 if shuffle else 1)


def test_a_step_has_the_same_examples_on_one_process_and_on_two() -> None:
    lengths = [random.Random(0).randrange(20, 400) for _ in range(101)]
    alone = plan_batches(lengths, 8, seed=3, epoch=2)
    pair = [plan_batches(lengths, 4, seed=3, epoch=2, world_size=2, rank=rank) for rank in (0, 1)]
    assert [set(batch) for batch in alone] == [set(first + second) for first, second in zip(*pair, strict=True)]


def test_epochs_and_seeds_differ_and_repeat() -> None:
    first = plan_batches(LENGTHS, 3, seed=1, epoch=0)
    assert first == plan_batches(LENGTHS, 3, seed=1, epoch=0)
    assert first != plan_batches(LENGTHS, 3, seed=1, epoch=1)
    assert first != plan_batches(LENGTHS, 3, seed=2, epoch=0)
    assert plan_batches(LENGTHS, 3, seed=1, epoch=0, shuffle=False) == plan_batches(
        LENGTHS, 3, seed=1, epoch=5, shuffle=False
    )


def test_buckets_save_padding() -> None:
    generator = random.Random(5)
    lengths = [generator.randrange(60, 400) for _ in range(2000)]

    def padded(batches: list[list[int]]) -> int:
        return sum(len(batch) * max(lengths[index] for index in batch) for batch in batches)

    order = generator.sample(range(2000), 2000)
    random_cost = padded([order[start : start + 8] for start in range(0, 2000, 8)])
    assert padded(plan_batches(lengths, 8, seed=1)) < 1.03 * sum(lengths) < 0.75 * random_cost


def test_no_examples_no_batches() -> None:
    assert plan_batches([], 4, seed=1) == []


class Recorder(LightningModule):
    """Trains one number and writes down which examples came when."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[tuple[int, int, tuple[int, ...]]] = []

    def training_step(self, batch: list[int], index: int) -> torch.Tensor:
        self.seen.append((self.current_epoch, index, tuple(batch)))
        return self.weight.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def loader(num_workers: int = 0, **settings: Any) -> ResumableLoader:
    sampler = LengthBucketBatchSampler(LENGTHS, settings.pop("batch_size", 3), seed=1, **settings)
    return ResumableLoader(range(len(LENGTHS)), sampler, collate_fn=list, num_workers=num_workers)


def fit(num_workers: int, folder: Path | None = None, ckpt_path: Path | None = None) -> Recorder:
    model = Recorder()
    steps = ModelCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1)
    epochs = ModelCheckpoint(folder, "end-{step}", every_n_epochs=1, save_top_k=-1, save_on_train_epoch_end=True)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=2,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        callbacks=[steps, epochs] if folder else [],
        enable_checkpointing=bool(folder),
    )
    trainer.fit(model, loader(num_workers), ckpt_path=ckpt_path, weights_only=True)
    return model


@pytest.mark.filterwarnings("ignore")
def test_resume_after_any_step_sees_exactly_the_rest(tmp_path: Path) -> None:
    whole = fit(0, tmp_path).seen
    assert len(whole) == 16
    assert [entry[0] for entry in whole] == [0] * 8 + [1] * 8
    assert [entry[2] for entry in whole[:8]] != [entry[2] for entry in whole[8:]]
    for name in ["step=1", "step=3", "step=7", "step=8", "end-step=8", "step=9", "step=15", "step=16"]:
        done = int(name.rpartition("=")[2])
        assert fit(0, ckpt_path=tmp_path / f"{name}.ckpt").seen == whole[done:], name


@pytest.mark.filterwarnings("ignore")
def test_resume_counts_what_arrived_not_what_workers_prepared(tmp_path: Path) -> None:
    whole = fit(2, tmp_path).seen
    assert whole == fit(0).seen
    assert fit(2, ckpt_path=tmp_path / "step=3.ckpt").seen == whole[3:]


def test_state_is_plain_json_and_good_for_one_epoch() -> None:
    source = loader()
    iterator = iter(source)
    batches = [next(iterator) for _ in range(3)]
    state = json.loads(json.dumps(source.state_dict()))
    assert state == {
        "epoch": 0,
        "position": 3,
        "num_examples": 23,
        "num_tokens": sum(LENGTHS),
        "batch_size": 3,
        "world_size": 1,
        "seed": 1,
        "grouped": 0,
        "most_tokens": 0,
    }
    resumed = loader()
    resumed.load_state_dict(state)
    assert len(resumed) == 8
    assert batches + list(resumed) == list(loader())
    assert list(resumed) == list(loader())
    assert resumed.state_dict()["position"] == 8


def test_state_of_another_epoch_is_not_used() -> None:
    resumed = loader()
    resumed.load_state_dict({**resumed.state_dict(), "epoch": 0, "position": 8})
    resumed.plan_sampler.set_epoch(1)
    assert len(list(resumed)) == 8


def test_a_changed_plan_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        loader(batch_size=4).load_state_dict(loader().state_dict())
    assert "The data plan has changed since the checkpoint (was, is): {'batch_size': (3, 4)}" in caplog.text


def test_iterating_draws_nothing_from_the_global_generator() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    list(loader())
    assert torch.equal(torch.get_rng_state(), before)
