"""vLLM as another engine for answers on a GPU: prompts in, `Generation`s out, as `generate_sql` gives them.

It batches continuously and keeps beginnings that prompts share by itself. The prompts are the same tokens as ours, and
an answer ends where ours would, so that both can be compared; 16 bits and other kernels may choose other tokens.
"""

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from text2sql_lightning.errors import ConfigError, missing_extra
from text2sql_lightning.inference.generation import Generation
from text2sql_lightning.modeling.settings import GenerationSettings, Quantization
from text2sql_lightning.modeling.support import Hardware
from text2sql_lightning.text.sql_cleaning import ensure_sql_only, is_complete
from text2sql_lightning.text.tokenizer import encode_texts

_RANKS: Final = (8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks that vLLM keeps room for (its `MaxLoRARanks`)."""


def check_vllm(hardware: Hardware, quantization: Quantization) -> None:
    """Refuse vLLM where it cannot answer, before anything is downloaded.

    Raises:
        ConfigError: Says what is missing, and what to do.
    """
    if quantization == "int8":
        raise ConfigError("--engine vllm loads weights as nf4 or none, not int8: use one of them, or --engine builtin")
    if hardware.cuda_capability is None:
        raise ConfigError("--engine vllm needs a GPU, and there is none: use --engine builtin")
    if find_spec("vllm") is None:
        raise missing_extra("--engine vllm", "vLLM", "vllm", "--engine builtin")


def generate_with_vllm(
    tokenizer: Any,
    prompts: Sequence[str],
    settings: GenerationSettings,
    *,
    base_model: str,
    adapter_dir: Path | None,
    quantization: Quantization,
) -> list[Generation]:
    """Answer each prompt once.

    Args:
        tokenizer: The base model's.
        prompts: Built by `build_prompt`.
        settings: Greedy, or sampled once.
        base_model: Hub name or local folder.
        adapter_dir: The folder `adapters/` of a run; None for the bare base model.
        quantization: `nf4`, which vLLM makes while it loads, or `none`.

    Returns:
        One answer for each prompt, in their order.

    Raises:
        ConfigError: Several samples or beams are asked for.
    """
    if settings.num_samples > 1 or settings.num_beams > 1 or settings.retries:
        raise ConfigError(
            "--engine vllm gives one answer: set num_samples and num_beams to 1, retries to 0, or use --engine builtin"
        )
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest

    encoded = encode_texts(tokenizer, prompts)
    longest = max((len(ids) for ids in encoded), default=1)
    engine = LLM(
        model=base_model,
        quantization="bitsandbytes" if quantization == "nf4" else None,
        max_model_len=longest + settings.max_new_tokens,
        enable_prefix_caching=True,
        trust_remote_code=False,
        **({} if adapter_dir is None else {"enable_lora": True, "max_lora_rank": _room_for(adapter_dir)}),
    )
    sampling = SamplingParams(
        temperature=settings.temperature, top_p=settings.top_p, max_tokens=settings.max_new_tokens, seed=settings.seed,
        stop_token_ids=[tokenizer.eos_token_id],
    )  # fmt: skip
    adapter = None if adapter_dir is None else LoRARequest("adapter", 1, str(adapter_dir))
    outputs = engine.generate([{"prompt_token_ids": ids} for ids in encoded], sampling, lora_request=adapter)
    return [_generation(tokenizer, output.outputs[0].token_ids) for output in outputs]


def _room_for(adapter_dir: Path) -> int:
    rank = json.loads((adapter_dir / "adapter_config.json").read_text(encoding="utf-8"))["r"]
    room = next((size for size in _RANKS if size >= rank), None)
    if room is None:
        raise ConfigError(f"--engine vllm takes adapters of rank {_RANKS[-1]} at most, and {adapter_dir} has {rank}")
    return room


def _generation(tokenizer: Any, ids: Sequence[int]) -> Generation:
    """End an answer at its EOS or its first complete statement; vLLM knows of the first alone."""
    for end, token in enumerate(ids, 1):
        raw = tokenizer.decode(ids[:end], skip_special_tokens=True)
        if token == tokenizer.eos_token_id or is_complete(raw):
            return Generation(raw, ensure_sql_only(raw), tuple(ids[:end]), True)
    raw = tokenizer.decode(ids, skip_special_tokens=True)
    return Generation(raw, ensure_sql_only(raw), tuple(ids), False)
