"""The backend of transformers, bitsandbytes and peft."""

import sys
from typing import TYPE_CHECKING, cast

import torch

from text2sql_lightning.errors import ConfigError, ModelError
from text2sql_lightning.files.hub import readable_hub_errors
from text2sql_lightning.modeling.backends import (
    Costs,
    Hardware,
    LoadRequest,
    ModelBackend,
    keep_adapter_in_float32,
    keep_quantized_weights,
    set_on_layers,
)
from text2sql_lightning.modeling.cpu import accelerate
from text2sql_lightning.modeling.pack_attention import pack_arguments, use_pack_attention
from text2sql_lightning.modeling.packs import Segments
from text2sql_lightning.modeling.settings import LoraSettings, Quantization

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig, PreTrainedModel


class TransformersBackend:
    """`AutoModelForCausalLM` with bitsandbytes quantization and peft adapters."""

    def support(self, quantization: Quantization, lora: LoraSettings | None, hardware: Hardware) -> None:
        """Refuse a process in which Unsloth has changed transformers."""
        if "unsloth" in sys.modules:
            raise ConfigError(
                "model.backend transformers was asked for, but unsloth is already imported in this process and has "
                "replaced parts of transformers: start a new process"
            )

    def costs(self) -> Costs:
        """Return what was measured on an H100."""
        return Costs(
            kept_widths=9.4,
            kept_inner_widths=4.0,
            backward_inner_widths=1.0,
            share_of_peak=0.25,
            launch_seconds=0.0125,
            launch_seconds_checkpointed=0.020,
        )

    def load(self, request: LoadRequest) -> "PreTrainedModel":
        """Load the base model on its device, quantized as asked, with a new or a saved adapter."""
        model = _load_base(request)
        model.requires_grad_(False)
        if request.gradient_checkpointing and request.trainable:
            # Non-reentrant: DDP counts a reentrant recomputation as a second use of each weight.
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
            model.enable_input_require_grads()
        if request.adapter_path is not None:
            model = _load_adapter(model, request)
        elif request.lora is not None:
            model = _add_adapter(model, request.lora, request.seed)
        keep_adapter_in_float32(model)
        accelerate(model)
        return model

    def pack_arguments(self, decoder: "PreTrainedModel", ids: torch.Tensor, segments: Segments) -> dict[str, object]:
        """Return what the decoder needs to attend within a pack."""
        return pack_arguments(decoder, ids, segments)

    def for_training(self, model: "PreTrainedModel") -> None:
        """Switch dropout on, and leave the precision of adapters to autocast.

        peft would copy their inputs to float32 first, each layer for itself: half as much again of what a layer keeps.
        """
        set_on_layers(model, "cast_input_dtype_enabled", False)
        model.train()

    def for_inference(self, model: "PreTrainedModel") -> None:
        """Switch dropout off."""
        set_on_layers(model, "cast_input_dtype_enabled", True)  # generation may run without autocast
        model.eval()


def _load_base(request: LoadRequest) -> "PreTrainedModel":
    from transformers import AutoModelForCausalLM

    with readable_hub_errors(request.base_model, "model.base_model"):
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            request.base_model,
            dtype=request.compute_dtype,
            quantization_config=quantization_config(request),
            device_map={"": request.device},  # the whole model on this rank's device: "auto" fails under DDP
            attn_implementation="sdpa",
            trust_remote_code=False,
        )
    keep_quantized_weights(model)
    model.config.use_cache = False
    if request.packing != "none":
        use_pack_attention(model, request.max_seq_length)
    return model


def quantization_config(request: LoadRequest) -> "BitsAndBytesConfig | None":
    """Return transformers' description of the quantization; None for dense weights."""
    if request.quantization == "none":
        return None
    from transformers import BitsAndBytesConfig

    if request.quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=request.compute_dtype,
    )


def _add_adapter(model: "PreTrainedModel", lora: LoraSettings, seed: int) -> "PreTrainedModel":
    """Put a new adapter on the model; its initial weights depend on the seed alone."""
    from peft import LoraConfig, get_peft_model

    check_target_modules(model, lora)
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules,
        use_rslora=lora.use_rslora,
        use_dora=lora.use_dora,
        bias="none",
        task_type="CAUSAL_LM",
    )
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        return cast("PreTrainedModel", get_peft_model(model, config))


def _load_adapter(model: "PreTrainedModel", request: LoadRequest) -> "PreTrainedModel":
    from peft import PeftModel
    from safetensors import SafetensorError

    try:
        adapted = PeftModel.from_pretrained(model, str(request.adapter_path), is_trainable=request.trainable)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[1] if "size mismatch" in str(error) and len(lines) > 1 else (lines or [type(error).__name__])[0]
        raise ModelError(
            f"model.adapter_path {request.adapter_path} cannot be loaded on {request.base_model}: {reason}"
        ) from error
    return cast("PreTrainedModel", adapted)


def check_target_modules(model: "PreTrainedModel", lora: LoraSettings) -> None:
    """Refuse target layers that the architecture does not have.

    Raises:
        ConfigError: Names those that it has.
    """
    if lora.target_modules == "all-linear":
        return
    leaves = {name.rsplit(".", 1)[-1]: module for name, module in model.named_modules()}
    missing = [name for name in lora.target_modules if name not in leaves]
    if missing:
        head = model.get_output_embeddings()
        linear = sorted(name for name, module in leaves.items() if module is not head and _is_linear(module) and name)
        raise ConfigError(
            f"model.lora.target_modules {', '.join(missing)}: {type(model).__name__} has no such layer; "
            f"it has {', '.join(linear) or 'none'}: name some of those, or use all-linear"
        )


def _is_linear(module: torch.nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(module, torch.nn.Linear) or (type(module).__name__ == "Conv1D" and weight is not None)


BACKEND: ModelBackend = TransformersBackend()
