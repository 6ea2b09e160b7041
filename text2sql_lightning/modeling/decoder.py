"""The two halves of a causal language model: the decoder that gives hidden states, and the output head."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from text2sql_lightning.errors import ModelError


def base_of(model: Any) -> Any:
    """Give the causal language model inside a `PeftModel`; any other model as it is."""
    return model.get_base_model() if hasattr(model, "peft_config") else model


def device_of(model: Any) -> torch.device:
    """Return where token ids have to be for a model to read them."""
    device: torch.device = model.get_input_embeddings().weight.device
    return device


def decoder_of(model: Any) -> torch.nn.Module:
    """Give the part that turns token ids into hidden states.

    Raises:
        ModelError: The architecture does not separate it from the output head.
    """
    base = base_of(model)
    decoder = base.get_decoder() if hasattr(base, "get_decoder") else None
    if not isinstance(decoder, torch.nn.Module) or decoder is base:
        raise ModelError(
            f"model.base_model: {type(base).__name__} is no decoder with an output head; give a causal language model"
        )
    return decoder


def has_plain_logits(model: Any) -> bool:
    """Whether the output head's product is what `project` gives."""
    config = base_of(model).config
    return not any(getattr(config, name, None) for name in ("logit_scale", "logits_scaling", "final_logit_softcapping"))


def project(model: Any, hidden: Tensor) -> Tensor:
    """Give logits (positions, vocabulary) of hidden states (positions, width), as the architecture defines them."""
    base = base_of(model)
    head = base.get_output_embeddings()
    weight = head.weight
    logits: Tensor = head(hidden.to(weight.dtype) if weight.is_floating_point() else hidden)
    config = base.config
    if scale := getattr(config, "logit_scale", None):  # Cohere
        logits = logits * scale
    if scaling := getattr(config, "logits_scaling", None):  # Granite
        logits = logits / scaling
    if cap := getattr(config, "final_logit_softcapping", None):  # Gemma 2
        logits = torch.tanh(logits / cap) * cap
    return logits


@contextmanager
def forwards_kept(modules: Iterable[Any]) -> Iterator[None]:
    """Give modules back the `forward` that they had, or none of their own, whatever replaces it meanwhile.

    Args:
        modules: Of a model.
    """
    before = [(module, vars(module).get("forward")) for module in modules]
    try:
        yield
    finally:
        for module, forward in before:
            vars(module).pop("forward", None)
            if forward is not None:
                module.forward = forward
