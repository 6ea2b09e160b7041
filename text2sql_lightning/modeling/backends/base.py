"""What a backend is asked for, and what every backend gives."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from text2sql_lightning.modeling.settings import LoraSettings, Packing, Quantization


@dataclass(frozen=True)
class LoadRequest:
    """A model to load.

    Args:
        base_model: Hub name or folder.
        quantization: How the base weights are kept.
        lora: The adapter to create; None for the bare base model.
        adapter_path: A saved adapter to load instead of creating one.
        trainable: Whether the adapter will be trained.
        compute_dtype: Type of the matrix products, and of weights that are not quantized.
        device: Where the model goes, as a whole.
        gradient_checkpointing: Trade compute for activation memory.
        max_seq_length: Longest sequence, in tokens; Unsloth sizes its position tables by it.
        seed: Seeds the adapter's initial weights.
        packing: How batches are laid out: packs need an attention of their own.
    """

    base_model: str
    quantization: Quantization
    lora: LoraSettings | None
    adapter_path: Path | None
    trainable: bool
    compute_dtype: torch.dtype
    device: torch.device
    gradient_checkpointing: bool
    max_seq_length: int
    seed: int
    packing: Packing = "none"


class ModelBackend(Protocol):
    """Loads a causal language model with adapters and toggles it between training and generation."""

    def load(self, request: LoadRequest) -> Any:
        """Give a `PeftModel`, or a bare `PreTrainedModel` where no adapter was asked for."""

    def for_training(self, model: Any) -> None:
        """Prepare for forward and backward passes."""

    def for_inference(self, model: Any) -> None:
        """Prepare for generation."""


def keep_adapter_in_float32(model: torch.nn.Module) -> None:
    """Cast trainable weights to float32: small updates are lost in 16 bits."""
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.dtype != torch.float32:
            parameter.data = parameter.data.float()
