"""Optimizers and schedules by name."""

import math
from typing import Any

import pytest
import torch

from text2sql_lightning.errors import ConfigError
from text2sql_lightning.modeling.optim import build_optimizer, build_schedule, learning_rate_factor

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("name", "factors"),
    [
        ("constant", [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ("linear", [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]),
        ("cosine", [0.5, 1.0, 1.0, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2]),
    ],
)
def test_factor_of_each_step(name: Any, factors: Any) -> None:
    factor = learning_rate_factor(name, warmup_steps=2, total_steps=6)
    assert [factor(step) for step in range(6)] == pytest.approx(factors)


def test_first_step_learns_and_warm_up_may_be_missing() -> None:
    assert learning_rate_factor("constant", 50, 500)(0) == 1 / 50
    assert learning_rate_factor("linear", 0, 4)(0) == 1.0
    assert learning_rate_factor("linear", 0, 4)(9) == 0.0  # behind the end
    assert learning_rate_factor("cosine", 10, 5)(20) == pytest.approx(0.0)  # warm-up longer than the run


def test_schedule_drives_the_optimizer() -> None:
    optimizer = build_optimizer([("w", torch.nn.Parameter(torch.ones(1)))], "auto", 0.1, 0.0)
    schedule = build_schedule(optimizer, "linear", 2, 4)
    rates = []
    for _ in range(4):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.05, 0.1, 0.1, 0.05])


def test_auto_is_adamw_without_a_gpu() -> None:
    optimizer = build_optimizer([("w", torch.nn.Parameter(torch.ones(1)))], "auto", 3e-4, 0.01)
    assert type(optimizer) is torch.optim.AdamW
    assert optimizer.param_groups[0]["weight_decay"] == 0.01


def test_paged_adamw_needs_cuda() -> None:
    with pytest.raises(ConfigError, match=r"paged_adamw_8bit needs a CUDA device.*use adamw or auto"):
        build_optimizer([("w", torch.nn.Parameter(torch.ones(1)))], "paged_adamw_8bit", 3e-4, 0.0)


def test_the_b_matrices_may_learn_faster() -> None:
    a, b = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
    named = [("layer.lora_A.default.weight", a), ("layer.lora_B.default.weight", b)]
    optimizer = build_optimizer(named, "adamw", 0.1, 0.0, lr_ratio=4.0)
    schedule = build_schedule(optimizer, "linear", 0, 2)
    optimizer.step()
    schedule.step()
    rates = [(group["params"], group["lr"]) for group in optimizer.param_groups]
    assert rates == [([a], pytest.approx(0.05)), ([b], pytest.approx(0.2))]
    assert len(build_optimizer(named, "adamw", 0.1, 0.0).param_groups) == 1
