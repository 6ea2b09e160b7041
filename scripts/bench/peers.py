"""Models as transformers, peft and Unsloth load them in their guides; without this project."""

from importlib import import_module
from typing import Any

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SEED = 42


def load_transformers(path: str, *, nf4: bool, dtype: Any, device_map: Any = None) -> Any:
    """Load a base model, in 4 bits with double quantization if so wanted."""
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    describe: Any = BitsAndBytesConfig
    quantization = describe(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    return AutoModelForCausalLM.from_pretrained(
        path, dtype=dtype, quantization_config=quantization if nf4 else None, device_map=device_map
    )


def lora_config(r: int) -> Any:
    """Return LoRA on the seven projections with a factor of 1."""
    from peft import LoraConfig

    return LoraConfig(r=r, lora_alpha=r, target_modules=PROJECTIONS, task_type="CAUSAL_LM")


def load_unsloth(
    path: str, *, r: int, nf4: bool, dtype: Any, max_length: int, checkpointing: bool | str = False
) -> Any:
    """Load a base model with LoRA as `lora_config` has it."""
    import torch

    fast: Any = import_module("unsloth").FastLanguageModel
    place = {} if torch.cuda.is_available() else {"device_map": {"": "cpu"}}
    model, _ = fast.from_pretrained(
        path,
        max_seq_length=max_length,
        dtype=dtype,
        load_in_4bit=nf4,
        use_gradient_checkpointing=checkpointing,
        **place,
    )
    return fast.get_peft_model(
        model,
        r=r,
        lora_alpha=r,
        target_modules=PROJECTIONS,
        use_gradient_checkpointing=checkpointing,
        random_state=SEED,
        max_seq_length=max_length,
    )
