"""How much of a GPU a training step uses: operations per second over those of its data sheet."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from text2sql_lightning.errors import ModelError
from text2sql_lightning.modeling.gpus import peak_flops
from text2sql_lightning.modeling.model_shape import ModelShape

if TYPE_CHECKING:
    import torch


def model_flops_utilization(
    config: Mapping[str, Any], device: "torch.device", tokens: float, targets: float, pairs: float, seconds: float
) -> float | None:
    """Give the MFU of arXiv:2204.02311, without what is computed a second time; None where model or GPU is not known.

    Args:
        config: Of the base model, as transformers has it.
        device: Where it was trained.
        tokens: Through the decoder.
        targets: Through the output head.
        pairs: Of a query and a key that it sees.
        seconds: That it took.
    """
    peak = peak_flops(device)
    if peak is None:
        return None
    try:
        shape = ModelShape.of(config)
    except ModelError:
        return None
    return shape.step_flops(tokens, targets, pairs) / seconds / peak
