"""The backend of Unsloth: fused kernels on a GPU, the same mathematics on a CPU.

Packs on a GPU: Unsloth passes its argument `causal_mask` from the decoder, untouched, to the function that attends,
also when gradient checkpointing runs a layer again. A `PackLayout` travels in it, and a function in front of Unsloth's
looks for one. On a CPU Unsloth leaves the layers to transformers, and so do packs.
"""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from text2sql_lightning.errors import ConfigError, ModelError, missing_extra
from text2sql_lightning.files.hub import readable_hub_errors
from text2sql_lightning.modeling.backends import (
    Costs,
    Hardware,
    LoadRequest,
    ModelBackend,
    is_installed,
    keep_adapter_in_float32,
    keep_quantized_weights,
)
from text2sql_lightning.modeling.backends.transformers import check_target_modules
from text2sql_lightning.modeling.decoder import decoder_of
from text2sql_lightning.modeling.pack_attention import (
    PackLayout,
    check_plain_attention,
    pack_arguments,
    use_pack_attention,
)
from text2sql_lightning.modeling.packs import Segments
from text2sql_lightning.modeling.settings import LoraSettings, Quantization

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_FUNCTION: Final = "run_attention"
_MODULES: Final = ("unsloth.models.llama", "unsloth.models.mistral")
"""Where attention is a plain softmax."""
_MARK: Final = "_unsloth_fast_path"


def import_unsloth() -> ModuleType:
    """Import Unsloth, which must happen before transformers, peft or lightning are imported, or patches are lost.

    Raises:
        ConfigError: transformers is imported already.
    """
    if "unsloth" not in sys.modules and "transformers" in sys.modules:
        raise ConfigError(
            "model.backend unsloth: transformers is already imported in this process, and Unsloth must come first: "
            "use the command `text2sql`, or put `import unsloth` on the first line of your program"
        )
    return import_module("unsloth")


class UnslothBackend:
    """`FastLanguageModel`."""

    def support(self, quantization: Quantization, lora: LoraSettings | None, hardware: Hardware) -> None:
        """Refuse DoRA, int8 without a GPU, and a machine without Unsloth."""
        if not is_installed("unsloth"):
            raise missing_extra("model.backend unsloth", "unsloth", "unsloth", "--model.backend transformers")
        if quantization == "int8" and hardware.cuda_capability is None:
            raise ConfigError("model.quantization int8 with model.backend unsloth needs a GPU: use nf4 or none")
        if lora is not None and lora.use_dora:
            raise ConfigError(
                "model.lora.use_dora is not available with model.backend unsloth: use --model.backend transformers"
            )

    def costs(self) -> Costs:
        """Return what was measured on an H100."""
        return Costs(
            kept_widths=6.6,
            kept_inner_widths=2.0,
            backward_inner_widths=5.0,
            share_of_peak=0.31,
            launch_seconds=0.0105,
            launch_seconds_checkpointed=0.0125,
            offloads=True,
        )

    def load(self, request: LoadRequest) -> "PreTrainedModel":
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
            check_target_modules(model, request.lora)
            model = fast.get_peft_model(
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
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(request.trainable and "lora_" in name)
        keep_adapter_in_float32(model)
        loaded: PreTrainedModel = model
        return loaded

    def pack_arguments(self, decoder: "PreTrainedModel", ids: Tensor, segments: Segments) -> dict[str, object]:
        """Return what a decoder prepared by `use_packs` needs to attend within a pack."""
        if hasattr(decoder, "_unsloth_allow_packed_overlength"):
            return {"causal_mask": PackLayout.on(ids.device, decoder.config, segments)}
        return pack_arguments(decoder, ids, segments)

    def for_training(self, model: "PreTrainedModel") -> None:
        """Undo the generation mode of Unsloth's layers."""
        import_unsloth().FastLanguageModel.for_training(model)

    def for_inference(self, model: "PreTrainedModel") -> None:
        """Switch Unsloth's layers to generation."""
        import_unsloth().FastLanguageModel.for_inference(model)


@contextmanager
def stock_layers(model: torch.nn.Module) -> Iterator[None]:
    """Context manager in which modules that Unsloth marked compute as transformers wrote them."""
    marked = [module for module in model.modules() if vars(module).get(_MARK)]
    try:
        for module in marked:
            setattr(module, _MARK, False)
        yield
    finally:
        for module in marked:
            setattr(module, _MARK, True)


def use_packs(model: "PreTrainedModel", max_seq_length: int) -> None:
    """Make a model that Unsloth loaded, with or without adapters, take packs of sequences of up to so many tokens.

    Raises:
        ModelError: Packs cannot be put into its attention.
    """
    decoder: Any = decoder_of(model)
    attention = inspect.unwrap(type(decoder.layers[0].self_attn).forward)
    if not attention.__module__.startswith("unsloth."):
        use_pack_attention(model, max_seq_length)
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


def _with_packs(run: Callable[..., Tensor]) -> Callable[..., Tensor]:
    # The names are Unsloth's; it passes them as keywords. Queries, keys and values are (1, heads, tokens, width).
    def run_attention(*, config: Any, context: Any, Q: Tensor, K: Tensor, V: Tensor) -> Tensor:  # noqa: N803
        if not isinstance(context.causal_mask, PackLayout):
            return run(config=config, context=context, Q=Q, K=K, V=V)
        scale = (config.flash_varlen_kwargs or {}).get("softmax_scale")
        return context.causal_mask.attend(Q, K, V, scale).transpose(1, 2)

    run_attention.without_packs = run  # type: ignore[attr-defined]
    return run_attention


BACKEND: ModelBackend = UnslothBackend()
