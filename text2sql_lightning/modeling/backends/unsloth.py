"""Packs in Unsloth's layers: on a GPU its own attention is asked to step aside for them.

There Unsloth hands its argument `causal_mask` from the decoder, untouched, to the function that attends, also when
gradient checkpointing runs a layer again. A `PackLayout` travels in it, and a function in front of Unsloth's looks for
one. On a CPU Unsloth leaves the layers to transformers, and so do packs.
"""

import inspect
import logging
import sys
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor

from text2sql_lightning.errors import ConfigError, ModelError
from text2sql_lightning.files.hub import readable_hub_errors
from text2sql_lightning.modeling.backends.base import LoadRequest, keep_adapter_in_float32, keep_quantized_weights
from text2sql_lightning.modeling.backends.transformers import check_target_modules
from text2sql_lightning.modeling.decoder import decoder_of
from text2sql_lightning.modeling.packs import Segments
from text2sql_lightning.modeling.segment_attention import (
    PackLayout,
    check_plain_attention,
    pack_arguments,
    use_segment_attention,
)

_FUNCTION: Final = "run_attention"
_MODULES: Final = ("unsloth.models.llama", "unsloth.models.mistral")
"""Where attention is a plain softmax."""


def use_packs(model: Any, max_seq_length: int) -> None:
    """Make a model that Unsloth loaded take packs.

    Args:
        model: Without adapters, or with them.
        max_seq_length: Longest sequence in a pack, in tokens.

    Raises:
        ModelError: Its attention is none that packs can be put into.
    """
    decoder: Any = decoder_of(model)
    attention = inspect.unwrap(type(decoder.layers[0].self_attn).forward)
    if not attention.__module__.startswith("unsloth."):
        use_segment_attention(model, max_seq_length)
        return
    if attention.__module__ not in _MODULES or _FUNCTION not in attention.__globals__:
        raise ModelError(
            f"data.packing: Unsloth's attention of {type(model).__name__} does not take packs: "
            "use --model.backend transformers, or --data.packing none"
        )
    check_plain_attention(model, max_seq_length)
    run = attention.__globals__[_FUNCTION]
    if not hasattr(run, "without_packs"):
        attention.__globals__[_FUNCTION] = _with_packs(run)
    decoder._unsloth_allow_packed_overlength = True  # a pack is longer than its longest sequence


def unsloth_pack_arguments(decoder: Any, ids: Tensor, segments: Segments) -> dict[str, Any]:
    """Give the keyword arguments that a decoder prepared by `use_packs` needs to attend within a pack."""
    if hasattr(decoder, "_unsloth_allow_packed_overlength"):
        return {"causal_mask": PackLayout.on(ids.device, decoder, segments)}
    return pack_arguments(decoder, ids, segments)


def _with_packs(run: Callable[..., Tensor]) -> Callable[..., Tensor]:
    # The names are Unsloth's; it passes them as keywords. Queries, keys and values are (1, heads, tokens, width).
    def run_attention(*, config: Any, context: Any, Q: Tensor, K: Tensor, V: Tensor) -> Tensor:  # noqa: N803
        if not isinstance(context.causal_mask, PackLayout):
            return run(config=config, context=context, Q=Q, K=K, V=V)
        scale = (config.flash_varlen_kwargs or {}).get("softmax_scale")
        return context.causal_mask.attend(Q, K, V, scale).transpose(1, 2)

    run_attention.without_packs = run  # type: ignore[attr-defined]
    return run_attention


log = logging.getLogger(__name__)


def import_unsloth() -> Any:
    """Import Unsloth, which must happen before transformers, peft or lightning are imported, or patches are lost.

    Raises:
        ConfigError: transformers is imported already.
    """
    if "unsloth" not in sys.modules and "transformers" in sys.modules:
        raise ConfigError(
            "model.backend unsloth: transformers is already imported in this process, and Unsloth must come first: "
            "use the command `text2sql`, or put `import unsloth` on the first line of your program"
        )
    import unsloth

    return unsloth


class UnslothBackend:
    """`FastLanguageModel`: fused kernels on a GPU, the same mathematics on a CPU."""

    def load(self, request: LoadRequest) -> Any:
        """Load the base model through Unsloth, with a new or a saved adapter."""
        fast = import_unsloth().FastLanguageModel
        with readable_hub_errors(request.base_model, "model.base_model"):
            model, _ = fast.from_pretrained(
                model_name=str(request.adapter_path or request.base_model),
                max_seq_length=request.max_seq_length,
                dtype=request.compute_dtype,
                load_in_4bit=request.quantization == "nf4",
                load_in_8bit=request.quantization == "int8",
                device_map={"": request.device},
                use_gradient_checkpointing=request.gradient_checkpointing and "unsloth",
                trust_remote_code=False,
            )
        keep_quantized_weights(model)
        if request.packing != "none":
            use_packs(model, request.max_seq_length)
        if request.adapter_path is None and request.lora is not None:
            model = self._add_adapter(fast, model, request)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(request.trainable and "lora_" in name)
        keep_adapter_in_float32(model)
        return model

    def _add_adapter(self, fast: Any, model: Any, request: LoadRequest) -> Any:
        assert request.lora is not None
        check_target_modules(model, request.lora)
        return fast.get_peft_model(
            model,
            r=request.lora.r,
            lora_alpha=request.lora.alpha,
            lora_dropout=request.lora.dropout,
            target_modules=request.lora.target_modules,
            use_rslora=request.lora.use_rslora,
            bias="none",
            use_gradient_checkpointing="unsloth" if request.gradient_checkpointing else False,
            random_state=request.seed,
            max_seq_length=request.max_seq_length,
        )

    def pack_arguments(self, decoder: Any, ids: torch.Tensor, segments: Segments) -> dict[str, Any]:
        """Give what the decoder needs to attend within a pack."""
        return unsloth_pack_arguments(decoder, ids, segments)

    def for_training(self, model: Any) -> None:
        """Undo the generation mode of Unsloth's layers."""
        import_unsloth().FastLanguageModel.for_training(model)

    def for_inference(self, model: Any) -> None:
        """Switch Unsloth's layers to generation."""
        import_unsloth().FastLanguageModel.for_inference(model)
