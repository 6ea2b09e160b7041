"""The linear layers of a model that generates, multiplied by oneDNN where that is faster (`products`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor

from text2sql_lightning.modeling.cpu.products import fits_in_memory, linear, onednn_is_faster
from text2sql_lightning.modeling.cpu.projection import Projection, projection_of
from text2sql_lightning.modeling.decoder import forwards_kept


@contextmanager
def onednn_layers(model: Any) -> Iterator[None]:
    """Let dense layers and the output head compute by `products.linear`; layers with a forward of their own stay."""
    layers = [module for module in model.modules() if _is_plain_layer(module)] if onednn_is_faster() else []
    with forwards_kept(layers):
        for layer in layers:
            layer.forward = partial(linear, weight=layer.weight, bias=layer.bias)
        yield


def _is_plain_layer(module: Any) -> bool:
    return (
        type(module) is torch.nn.Linear
        and "forward" not in vars(module)
        and module.weight.dtype == torch.float32
        and module.weight.device.type == "cpu"
    )


_MARK: Final = "_unsloth_fast_path"


@contextmanager
def stock_layers(model: Any) -> Iterator[None]:
    """Let the modules of a model compute as transformers wrote them; afterwards they are what they were.

    Args:
        model: Any model; only modules that Unsloth marked change.
    """
    marked = [module for module in model.modules() if vars(module).get(_MARK)]
    try:
        for module in marked:
            setattr(module, _MARK, False)
        yield
    finally:
        for module in marked:
            setattr(module, _MARK, True)


@contextmanager
def merged_adapters(model: Any) -> Iterator[None]:
    """Compute layers that have a plain LoRA adapter with one matrix each.

    In full precision, on a CPU, and where the matrices take no more than a quarter of the machine's memory; any other
    layer stays as it is.

    Args:
        model: With or without adapters; afterwards it is what it was.
    """
    found = [] if torch.is_autocast_enabled("cpu") else _layers(model)
    if not fits_in_memory(sum(projection.weight.nbytes for _, projection in found)):
        found = []
    with forwards_kept(layer for layer, _ in found):
        for layer, projection in found:
            layer.forward = _Merged(projection)
        yield


class _Merged:
    """What a layer does with its update in its weight."""

    def __init__(self, projection: Projection) -> None:
        weight, self._bias, a, b, scaling = projection
        assert a is not None
        assert b is not None
        self._weight = torch.addmm(weight, b, a, alpha=scaling)

    def __call__(self, states: Tensor) -> Tensor:
        return linear(states, self._weight, self._bias)


def _layers(model: Any) -> list[tuple[Any, Projection]]:
    projections = ((module, projection_of(module)) for module in model.modules() if hasattr(module, "lora_A"))
    return [(module, one) for module, one in projections if one is not None and one.a is not None and _is_plain(one)]


def _is_plain(projection: Projection) -> bool:
    parts = (projection.weight, projection.a, projection.b)
    return all(part is not None and part.dtype == torch.float32 and part.device.type == "cpu" for part in parts)
