"""The two halves of a causal language model: the decoder, which returns hidden states, and the output head."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from text2sql_lightning.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def device_of(model: nn.Module) -> torch.device:
    """Return where token ids have to be for a model to read them."""
    device: torch.device = base_of(model).get_input_embeddings().weight.device  # type: ignore[assignment]
    return device


def base_of(model: nn.Module) -> "PreTrainedModel":
    """Return the causal language model inside a `PeftModel`; any other model as it is."""
    base = model.get_base_model() if hasattr(model, "peft_config") else model  # type: ignore[operator]
    return cast("PreTrainedModel", base)


def decoder_of(model: nn.Module) -> "PreTrainedModel":
    """Return the part that turns token ids into hidden states.

    Raises:
        ModelError: The architecture does not separate it from the output head.
    """
    base = base_of(model)
    decoder = base.get_decoder() if hasattr(base, "get_decoder") else None
    if not isinstance(decoder, nn.Module) or decoder is base:
        raise ModelError(
            f"model.base_model: {type(base).__name__} is no decoder with an output head; give a causal language model"
        )
    return cast("PreTrainedModel", decoder)


def has_plain_logits(model: nn.Module) -> bool:
    """Return whether the logits are the output head's product and nothing else."""
    config = base_of(model).config
    return not any(getattr(config, name, None) for name in ("logit_scale", "logits_scaling", "final_logit_softcapping"))


def project(model: nn.Module, hidden: Tensor) -> Tensor:
    """Return logits (positions, vocabulary) of hidden states (positions, width), as the architecture defines them."""
    base = base_of(model)
    head, config = base.get_output_embeddings(), base.config
    dtype = head.weight.dtype
    logits: Tensor = head(hidden.to(dtype) if dtype.is_floating_point else hidden)
    if scale := getattr(config, "logit_scale", None):  # Cohere
        logits = logits * scale
    if scaling := getattr(config, "logits_scaling", None):  # Granite
        logits = logits / scaling
    if cap := getattr(config, "final_logit_softcapping", None):  # Gemma 2
        logits = torch.tanh(logits / cap) * cap
    return logits


@contextmanager
def restored_forwards(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Context manager that restores monkey-patched `forward` methods."""
    before = [(module, vars(module).get("forward")) for module in modules]
    try:
        yield
    finally:
        for module, forward in before:
            vars(module).pop("forward", None)
            if forward is not None:
                module.forward = forward
