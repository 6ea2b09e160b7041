"""LoRA written into its base weights while a model generates on a CPU, and taken out again.

A token that is generated goes through three products in each layer with an adapter, of which two are tiny and cost
mostly their call. W + scaling * B A takes one, and gives the same numbers to rounding in float32.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from text2sql_lightning.modeling.dequantized import fits_in_memory
from text2sql_lightning.modeling.own_forwards import forwards_kept
from text2sql_lightning.modeling.products import linear
from text2sql_lightning.modeling.projection import Projection, projection_of


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
