"""The backend of transformers, bitsandbytes and peft."""

import logging
from typing import Any

import torch

from text2sql_lightning.errors import ConfigError, ModelError
from text2sql_lightning.files.hub import readable_hub_errors
from text2sql_lightning.modeling.backends.base import LoadRequest, keep_adapter_in_float32, keep_quantized_weights
from text2sql_lightning.modeling.cpu.layers import fuse_layers
from text2sql_lightning.modeling.cpu.lora import fuse_lora
from text2sql_lightning.modeling.cpu.products import keep_dense_copies
from text2sql_lightning.modeling.packs import Segments
from text2sql_lightning.modeling.segment_attention import pack_arguments, use_segment_attention
from text2sql_lightning.modeling.settings import LoraSettings

log = logging.getLogger(__name__)


class TransformersBackend:
    """`AutoModelForCausalLM` with bitsandbytes quantization and peft adapters."""

    def load(self, request: LoadRequest) -> Any:
        """Load the base model on its device, quantized as asked, with a new or a saved adapter."""
        model = self._load_base(request)
        model.requires_grad_(False)
        if request.gradient_checkpointing and request.trainable:
            # Non-reentrant: DDP counts a reentrant recomputation as a second use of each weight.
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
            model.enable_input_require_grads()
        if request.adapter_path is not None:
            model = load_adapter(model, request)
        elif request.lora is not None:
            model = add_adapter(model, request.lora, request.seed)
        keep_adapter_in_float32(model)
        fuse_lora(model)
        fuse_layers(model)
        return model

    def _load_base(self, request: LoadRequest) -> Any:
        from transformers import AutoModelForCausalLM

        with readable_hub_errors(request.base_model, "model.base_model"):
            model = AutoModelForCausalLM.from_pretrained(
                request.base_model,
                dtype=request.compute_dtype,
                quantization_config=quantization_config(request),
                device_map={"": request.device},  # the whole model on this rank's device: "auto" fails under DDP
                attn_implementation="sdpa",
                trust_remote_code=False,
            )
        keep_quantized_weights(model)
        keep_dense_copies(model)
        model.config.use_cache = False
        if request.packing != "none":
            use_segment_attention(model, request.max_seq_length)
        return model

    def pack_arguments(self, decoder: Any, ids: torch.Tensor, segments: Segments) -> dict[str, Any]:
        """Give what the decoder needs to attend within a pack."""
        return pack_arguments(decoder, ids, segments)

    def for_training(self, model: Any) -> None:
        """Switch dropout on."""
        model.train()

    def for_inference(self, model: Any) -> None:
        """Switch dropout off."""
        model.eval()


def quantization_config(request: LoadRequest) -> Any:
    """Give transformers' description of the quantization; None for dense weights."""
    if request.quantization == "none":
        return None
    import transformers

    describe: Any = transformers.BitsAndBytesConfig
    if request.quantization == "int8":
        return describe(load_in_8bit=True)
    return describe(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=request.compute_dtype,
    )


def add_adapter(model: Any, lora: LoraSettings, seed: int) -> Any:
    """Put a new adapter on the model; its initial weights depend on the seed alone.

    Raises:
        ConfigError: The architecture has none of the target layers; names those that it has.
    """
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
        return get_peft_model(model, config)


def load_adapter(model: Any, request: LoadRequest) -> Any:
    """Put a saved adapter on the model.

    Raises:
        ModelError: The folder is damaged, or its weights do not fit the model.
    """
    from peft import PeftModel
    from safetensors import SafetensorError

    try:
        return PeftModel.from_pretrained(model, str(request.adapter_path), is_trainable=request.trainable)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[1] if "size mismatch" in str(error) and len(lines) > 1 else (lines or [type(error).__name__])[0]
        raise ModelError(
            f"model.adapter_path {request.adapter_path} cannot be loaded on {request.base_model}: {reason}"
        ) from error


def check_target_modules(model: Any, lora: LoraSettings) -> None:
    """Refuse target layers that the architecture does not have."""
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
