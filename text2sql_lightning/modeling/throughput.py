"""Data sheets of GPUs that people fine-tune on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from text2sql_lightning.errors import ModelError
from text2sql_lightning.modeling.estimate import ModelShape

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Gpu:
    """One kind of GPU.

    Attributes:
        name: As people say it.
        word: By which CUDA's name for it is known.
        memory: Bytes that PyTorch sees.
        peak_flops: Dense, in the 16 bits that this project chooses for it, from the data sheet.
    """

    name: str
    word: str
    memory: float
    peak_flops: float


GPUS: Final = {
    "t4": Gpu("T4", "T4", 14.6 * 2**30, 65e12),
    "l4": Gpu("L4", "L4", 22.0 * 2**30, 121e12),
    "a10g": Gpu("A10G", "A10G", 22.0 * 2**30, 70e12),
    "rtx4090": Gpu("RTX 4090", "4090", 23.5 * 2**30, 165e12),
    "a100": Gpu("A100 80 GB", "A100", 79.1 * 2**30, 312e12),
    "h100": Gpu("H100 80 GB", "H100", 79.2 * 2**30, 989e12),
    "h200": Gpu("H200", "H200", 139.8 * 2**30, 989e12),
}


def peak_flops(device: "torch.device") -> float | None:
    """Give the operations per second of a GPU's data sheet, dense, in 16 bits; None where it is not known."""
    if device.type != "cuda":
        return None
    import torch

    words = torch.cuda.get_device_name(device).upper().replace("-", " ").split()
    slower = {"PCIE", "NVL", "LAPTOP", "MAX"}  # other cards of the same name
    return next((gpu.peak_flops for gpu in GPUS.values() if gpu.word in words and not slower & set(words)), None)


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
