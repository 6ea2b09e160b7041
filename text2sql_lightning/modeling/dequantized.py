"""4-bit weights as dense ones on a CPU, where memory allows.

There bitsandbytes dequantizes every weight in every pass: at every token that is generated, and twice in every training
step. Doing so once gives the same numbers: the layer then multiplies by the very matrix that it would have made.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor

from text2sql_lightning.modeling.own_forwards import forwards_kept
from text2sql_lightning.modeling.products import linear

_LARGEST_SHARE: Final = 0.25
"""Of the machine's memory: more than that is not taken for a copy."""


def keep_dense_copies(model: Any) -> None:
    """Let the frozen 4-bit layers of a model on a CPU compute with dense copies.

    Where the copies would take more than a quarter of the machine's memory, or on a GPU, whose kernels read 4-bit
    weights, there are none. The 4-bit weights stay what they are, and what is saved is saved from them.

    Args:
        model: A model whose 4-bit weights will not change any more, with or without adapters.
    """
    layers = [module for module in model.modules() if _is_quantized_on_cpu(module)]
    size = sum(layer.weight.quant_state.shape.numel() * layer.compute_dtype.itemsize for layer in layers)
    if fits_in_memory(size):
        for layer in layers:
            layer.forward = _DenseForward(layer)


def fits_in_memory(size: int) -> bool:
    """Say whether a copy of so many bytes takes no more than a quarter of the machine's memory."""
    return size <= _LARGEST_SHARE * _memory()


@contextmanager
def dequantized(model: Any) -> Iterator[None]:
    """Compute with dense copies as `keep_dense_copies`, and drop afterwards those that were made for this."""
    with forwards_kept(module for module in model.modules() if _is_quantized_on_cpu(module)):
        keep_dense_copies(model)
        yield


def dense_weight(layer: Any) -> tuple[Tensor, Tensor | None] | None:
    """Give the matrix that a frozen linear layer multiplies by, and its bias; None where there is none to see."""
    forward = vars(layer).get("forward")
    if isinstance(forward, _DenseForward):
        return forward.weight, forward.bias
    weight: Any = getattr(layer, "weight", None)
    if type(layer) is not torch.nn.Linear or weight.requires_grad or forward is not None:
        return None
    return weight, layer.bias


class _DenseForward:
    """What a layer does with its weight in full."""

    def __init__(self, layer: Any) -> None:
        from bitsandbytes.functional import dequantize_4bit

        self._dtype = layer.compute_dtype
        self.weight: Tensor = dequantize_4bit(layer.weight.data, layer.weight.quant_state).to(self._dtype)
        self.bias = None if layer.bias is None else layer.bias.to(self._dtype)

    def __call__(self, states: Tensor) -> Tensor:
        return linear(states.to(self._dtype), self.weight, self.bias).to(states.dtype)


def _is_quantized_on_cpu(module: Any) -> bool:
    weight: Any = getattr(module, "weight", None)
    state = getattr(weight, "quant_state", None)
    return (
        state is not None
        and weight.device.type == "cpu"
        and getattr(module, "compute_dtype", None) is not None  # peft's layer around it has none
        and not getattr(state, "packing_format_for_cpu", False)
        and not isinstance(vars(module).get("forward"), _DenseForward)
    )


def _memory() -> float:
    """Give the machine's memory in bytes, or infinity where the system does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return float("inf")
