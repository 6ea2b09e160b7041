from types import SimpleNamespace
from typing import Any

import pytest
import torch

from text2sql_lightning.callbacks import progress
from text2sql_lightning.callbacks.progress import Throughput, work_of
from text2sql_lightning.modeling.model_shape import peak_flops

pytestmark = pytest.mark.unit


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now.seconds)
    return now


def test_tokens_per_second_over_all_processes(clock: Any) -> None:
    """Two steps of two micro-batches each, an entry after every second step; a validation does not count."""
    logged: list[tuple[str, float]] = []
    module = SimpleNamespace(
        device=torch.device("cpu"),
        log=lambda name, value, **_: logged.append((name, value)),
        flops_utilization=lambda *work: None,
    )
    trainer = SimpleNamespace(global_step=0, log_every_n_steps=2, world_size=3)
    batch = {"num_tokens": 50, "num_target_tokens": 10, "input_ids": torch.zeros(2, 30)}
    callback = Throughput()
    clock.seconds = 90.0
    callback.on_train_start(trainer, module)
    clock.seconds = 100.0
    callback.on_validation_end(trainer, module)
    for number in range(4):
        clock.seconds += 0.5
        trainer.global_step = (number + 1) // 2
        callback.on_train_batch_end(trainer, module, None, batch, number)
        assert bool(logged) == (number == 3)
    values = dict(logged)
    assert values["train/tokens_per_second"] == 4 * 50 * 3 / 2.0
    assert values["train/target_tokens_per_second"] == 4 * 10 * 3 / 2.0
    assert 0.01 < values["train/memory_gib"] < 100
    assert "train/mfu" not in values


def test_without_logging_nothing_is_logged(clock: Any) -> None:
    trainer = SimpleNamespace(global_step=0, log_every_n_steps=0, world_size=1)
    callback = Throughput()
    callback.on_train_start(trainer, None)
    trainer.global_step = 1
    callback.on_train_batch_end(
        trainer, None, None, {"num_tokens": 5, "num_target_tokens": 1, "input_ids": torch.zeros(1, 5)}, 0
    )


def test_what_a_batch_computes() -> None:
    assert work_of({"num_tokens": 50, "input_ids": torch.zeros(2, 30)}) == (50, 775)
    pack = {"num_tokens": 12, "segments": [(3, ()), (2, (0,)), (4, (0, 1)), (1, (0,))]}
    assert work_of(pack) == (10, 6 + (6 + 3) + (20 + 10) + (3 + 1))


@pytest.mark.parametrize(
    ("name", "flops"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("Tesla T4", 65e12),
        ("NVIDIA A10G", 70e12),
        ("NVIDIA H100 PCIe", None),
        ("NVIDIA GeForce GTX 1080", None),
    ],
)
def test_data_sheets(monkeypatch: pytest.MonkeyPatch, name: str, flops: float | None) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    assert peak_flops(torch.device("cuda")) == flops
    assert peak_flops(torch.device("cpu")) is None
