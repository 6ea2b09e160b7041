"""The backend of Unsloth. This is the one file that imports it, apart from the entry module, which must do so first."""

import logging
import sys
from typing import Any

import torch

from text2sql_lightning.errors import ConfigError
from text2sql_lightning.hub_errors import readable_hub_errors
from text2sql_lightning.modeling.backends.base import LoadRequest, keep_adapter_in_float32, keep_quantized_weights
from text2sql_lightning.modeling.backends.transformers import check_target_modules
from text2sql_lightning.modeling.backends.unsloth_packs import unsloth_pack_arguments, use_packs
from text2sql_lightning.modeling.segments import Segments

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
