"""4-bit weights as dense ones for as long as SQL is generated on a CPU.

There bitsandbytes dequantizes every weight at every token. Doing so once gives the same numbers, bit by bit: the layer
then multiplies by the very matrix that it would have made.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from torch import Tensor
from torch.nn.functional import linear

_LARGEST_SHARE: Final = 0.25
"""Of the machine's memory: more than that is not taken for a copy."""


@contextmanager
def dequantized(model: Any) -> Iterator[None]:
    """Let the frozen 4-bit layers of a model on a CPU compute with dense copies; nothing happens to any other.

    The copies are dropped afterwards, and the layers are what they were. Where the copies would take more than a
    quarter of the machine's memory, or on a GPU, whose kernels read 4-bit weights, nothing happens either.

    Args:
        model: A model in inference mode, with or without adapters.
    """
    layers = [module for module in model.modules() if _is_quantized_on_cpu(module)]
    size = sum(layer.weight.quant_state.shape.numel() * layer.compute_dtype.itemsize for layer in layers)
    if not layers or size > _LARGEST_SHARE * _memory():
        yield
        return
    before = [vars(layer).get("forward") for layer in layers]
    try:
        for layer in layers:
            layer.forward = _dense_forward(layer)
        yield
    finally:
        for layer, forward in zip(layers, before, strict=True):
            vars(layer).pop("forward", None)
            if forward is not None:
                layer.forward = forward


def _is_quantized_on_cpu(module: Any) -> bool:
    weight: Any = getattr(module, "weight", None)
    state = getattr(weight, "quant_state", None)
    return (
        state is not None
        and weight.device.type == "cpu"
        and getattr(module, "compute_dtype", None) is not None  # peft's layer around it has none
        and not getattr(state, "packing_format_for_cpu", False)
    )


def _dense_forward(layer: Any) -> Any:
    from bitsandbytes.functional import dequantize_4bit

    dtype = layer.compute_dtype
    weight: Tensor = dequantize_4bit(layer.weight.data, layer.weight.quant_state).to(dtype)
    bias = None if layer.bias is None else layer.bias.to(dtype)

    def forward(states: Tensor) -> Tensor:
        return linear(states.to(dtype), weight, bias).to(states.dtype)

    return forward


def _memory() -> float:
    """Give the machine's memory in bytes, or infinity where the system does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return float("inf")
