"""vLLM as another engine, on a GPU.

It batches continuously and shares the prefixes of prompts by itself. The prompts are the same tokens as ours, and an
answer ends where ours would, so that both can be compared; 16 bits and other kernels may choose other tokens.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from text2sql_lightning.errors import ConfigError, missing_extra
from text2sql_lightning.inference.generation import Generation, decode
from text2sql_lightning.modeling.backends import Hardware
from text2sql_lightning.modeling.settings import GenerationSettings, Quantization
from text2sql_lightning.text.sql_cleaning import is_complete
from text2sql_lightning.text.tokenizer import encode_texts, load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_RANKS: Final = (8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks that vLLM reserves memory for (its `MaxLoRARanks`)."""


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


@dataclass
class VllmEngine:
    """A model that vLLM loads when it is asked.

    Attributes:
        tokenizer: The base model's.
        base_model: Hub name or local folder.
        adapter_dir: The folder `adapters/` of a run; None for the bare base model.
        quantization: `nf4`, which vLLM makes while it loads, or `none`.
    """

    tokenizer: "PreTrainedTokenizerBase"
    base_model: str
    adapter_dir: Path | None
    quantization: Quantization
    max_positions: int | None = None
    """Not known before vLLM has loaded the model, and it refuses what is too long itself."""

    @classmethod
    def load(cls, base_model: str, adapter_dir: Path | None, quantization: Quantization) -> "VllmEngine":
        """Check that vLLM can answer here, and load the tokenizer; the weights follow with the first question."""
        check_vllm(Hardware.here(), quantization)
        return cls(load_tokenizer(base_model, setting="base_model"), base_model, adapter_dir, quantization)

    def samples(
        self, prompts: Sequence[str], settings: GenerationSettings, progress: bool = False
    ) -> list[list[Generation]]:
        """Answer each prompt once.

        Raises:
            ConfigError: Several samples or beams are asked for.
        """
        if settings.num_samples > 1 or settings.num_beams > 1 or settings.retries:
            raise ConfigError(
                "--engine vllm gives one answer: set num_samples and num_beams to 1, retries to 0, or use --engine "
                "builtin"
            )
        from vllm import LLM, SamplingParams
        from vllm.lora.request import LoRARequest

        encoded = encode_texts(self.tokenizer, prompts)
        lora = {} if self.adapter_dir is None else {"enable_lora": True, "max_lora_rank": _max_rank(self.adapter_dir)}
        engine = LLM(
            model=self.base_model,
            quantization="bitsandbytes" if self.quantization == "nf4" else None,
            max_model_len=max((len(ids) for ids in encoded), default=1) + settings.max_new_tokens,
            enable_prefix_caching=True,
            trust_remote_code=False,
            **lora,
        )
        sampling = SamplingParams(
            temperature=settings.temperature,
            top_p=settings.top_p,
            max_tokens=settings.max_new_tokens,
            seed=settings.seed,
            stop_token_ids=[self.tokenizer.eos_token_id],
        )
        adapter = None if self.adapter_dir is None else LoRARequest("adapter", 1, str(self.adapter_dir))
        outputs = engine.generate([{"prompt_token_ids": ids} for ids in encoded], sampling, lora_request=adapter)
        return [[_generation(self.tokenizer, output.outputs[0].token_ids)] for output in outputs]


def _max_rank(adapter_dir: Path) -> int:
    rank = json.loads((adapter_dir / "adapter_config.json").read_text(encoding="utf-8"))["r"]
    largest = next((size for size in _RANKS if size >= rank), None)
    if largest is None:
        raise ConfigError(f"--engine vllm takes adapters of rank {_RANKS[-1]} at most, and {adapter_dir} has {rank}")
    return largest


def _generation(tokenizer: "PreTrainedTokenizerBase", ids: Sequence[int]) -> Generation:
    """End an answer at its EOS or its first complete statement; vLLM knows of the first alone."""
    for end, token in enumerate(ids, 1):
        if token == tokenizer.eos_token_id or is_complete(decode(tokenizer, ids[:end])):
            return Generation.from_tokens(tokenizer, ids[:end], True)
    return Generation.from_tokens(tokenizer, ids, False)
