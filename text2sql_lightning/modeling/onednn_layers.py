"""The linear layers of a model that generates, multiplied by oneDNN where that is faster (`products`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from text2sql_lightning.modeling.own_forwards import forwards_kept
from text2sql_lightning.modeling.products import linear, onednn_is_faster


@contextmanager
def onednn_layers(model: Any) -> Iterator[None]:
    """Let dense layers and the output head compute by `products.linear`; layers with a forward of their own stay."""
    layers = [module for module in model.modules() if _is_plain(module)] if onednn_is_faster() else []
    with forwards_kept(layers):
        for layer in layers:
            layer.forward = partial(linear, weight=layer.weight, bias=layer.bias)
        yield


def _is_plain(module: Any) -> bool:
    return (
        type(module) is torch.nn.Linear
        and "forward" not in vars(module)
        and module.weight.dtype == torch.float32
        and module.weight.device.type == "cpu"
    )
