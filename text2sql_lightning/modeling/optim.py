"""Optimizers and learning-rate schedules by name."""

import math
from collections.abc import Callable, Iterable

import torch
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from text2sql_lightning.errors import ConfigError
from text2sql_lightning.modeling.settings import OptimizerName, ScheduleName


def build_optimizer(
    parameters: Iterable[tuple[str, torch.nn.Parameter]],
    name: OptimizerName,
    learning_rate: float,
    weight_decay: float,
    lr_ratio: float = 1.0,
) -> Optimizer:
    """Make the optimizer over the trainable float32 parameters, given with their names.

    `auto` is `paged_adamw_8bit` (bitsandbytes) on CUDA, else `adamw`. The B matrices of adapters learn at `lr_ratio`
    times the learning rate.

    Raises:
        ConfigError: The paged optimizer was asked for where there is no CUDA device.
    """
    named = list(parameters)
    groups = _groups(named, learning_rate, lr_ratio)
    on_cuda = any(parameter.is_cuda for _, parameter in named)
    if name == "paged_adamw_8bit" and not on_cuda:
        raise ConfigError(
            "model.optimizer paged_adamw_8bit needs a CUDA device and there is none here: use adamw or auto"
        )
    if name == "adamw" or not on_cuda:
        optimizer = AdamW(groups, lr=learning_rate, weight_decay=weight_decay, fused=not on_cuda)
        # Gradients are unscaled before they are clipped, not in the step; Lightning refuses to clip otherwise.
        optimizer._step_supports_amp_scaling = False
        return optimizer
    import bitsandbytes

    eight_bit: Optimizer = bitsandbytes.optim.PagedAdamW8bit(  # type: ignore[attr-defined, no-untyped-call]
        groups, lr=learning_rate, weight_decay=weight_decay
    )
    return eight_bit


def _groups(
    parameters: list[tuple[str, torch.nn.Parameter]], learning_rate: float, lr_ratio: float
) -> list[dict[str, object]]:
    if lr_ratio == 1.0:
        return [{"params": [parameter for _, parameter in parameters]}]
    second = [parameter for name, parameter in parameters if ".lora_B." in name]
    first = [parameter for name, parameter in parameters if ".lora_B." not in name]
    return [{"params": first}, {"params": second, "lr": learning_rate * lr_ratio}]


def learning_rate_factor(name: ScheduleName, warmup_steps: int, total_steps: int) -> Callable[[int], float]:
    """Return the factor on the peak learning rate at each optimizer step, counted from 0.

    The first step already learns: with 50 warm-up steps step 0 has 1/50 of the peak. `linear` and `cosine` reach 0
    one step after the last.
    """

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        if name == "constant":
            return 1.0
        done = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
        return 1.0 - done if name == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))

    return factor


def build_schedule(optimizer: Optimizer, name: ScheduleName, warmup_steps: int, total_steps: int) -> LambdaLR:
    """Warm up linearly over `warmup_steps` optimizer steps, then stay, or fall until `total_steps`."""
    return LambdaLR(optimizer, learning_rate_factor(name, warmup_steps, total_steps))
