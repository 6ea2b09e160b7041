"""Knobs that travel together: LoRA, and generation."""

from dataclasses import dataclass, field
from math import isfinite
from typing import Final, Literal

from text2sql_lightning.errors import ConfigError

Backend = Literal["auto", "unsloth", "transformers"]
Quantization = Literal["nf4", "int8", "none"]
OptimizerName = Literal["auto", "adamw", "paged_adamw_8bit"]
Packing = Literal["none", "sequence", "shared_prefix"]
ScheduleName = Literal["constant", "linear", "cosine"]

PROJECTIONS: Final = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The seven linear projections of a Llama or Mistral layer."""


@dataclass
class LoraSettings:
    """The adapter that is trained (LoRA, arXiv:2106.09685).

    Args:
        r: Rank of the update matrices; more ranks learn more and cost more memory.
        alpha: Scale of the update: it is multiplied by alpha / r (alpha / sqrt(r) with `use_rslora`).
        dropout: Dropout on the adapter's input. Unsloth is fastest with 0.
        target_modules: Names of the linear layers that get an adapter, or `all-linear` for architectures whose
            layers have other names.
        use_rslora: Rank-stabilised scaling (arXiv:2312.03732).
        use_dora: Weight-decomposed LoRA (arXiv:2402.09353); the transformers backend only.
    """

    r: int = 16
    alpha: int = 16
    dropout: float = 0.0
    target_modules: list[str] | Literal["all-linear"] = field(default_factory=lambda: list(PROJECTIONS))
    use_rslora: bool = False
    use_dora: bool = False


@dataclass
class GenerationSettings:
    """How SQL is generated: greedy, in batches, each answer ended at its first complete statement.

    Args:
        max_new_tokens: An answer longer than this is cut.
        batch_size: Prompts answered at the same time.
    """

    max_new_tokens: int = 256
    batch_size: int = 16


def check_lora(lora: LoraSettings | None) -> None:
    """Refuse an adapter that cannot be made.

    Raises:
        ConfigError: Names the setting, its value and what is allowed.
    """
    if lora is None:
        return
    _at_least("lora.r", lora.r, 1)
    _at_least("lora.alpha", lora.alpha, 1)
    if not 0 <= lora.dropout < 1:
        raise ConfigError(f"model.lora.dropout is {lora.dropout}; it must be at least 0 and below 1")
    if not lora.target_modules:
        raise ConfigError("model.lora.target_modules is empty; name layers, or use all-linear")


def check_numbers(
    generation: GenerationSettings, learning_rate: float, warmup_steps: int, weight_decay: float, max_seq_length: int
) -> None:
    """Refuse numbers that make no sense.

    Raises:
        ConfigError: Names the setting, its value and what is allowed.
    """
    if not (learning_rate > 0 and isfinite(learning_rate)):
        raise ConfigError(f"model.learning_rate is {learning_rate}; it must be a number above 0")
    if not (weight_decay >= 0 and isfinite(weight_decay)):
        raise ConfigError(f"model.weight_decay is {weight_decay}; it must be 0 or a number above 0")
    _at_least("warmup_steps", warmup_steps, 0)
    _at_least("max_seq_length", max_seq_length, 2)
    _at_least("generation.max_new_tokens", generation.max_new_tokens, 1)
    _at_least("generation.batch_size", generation.batch_size, 1)


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ConfigError(f"model.{name} is {value}; it must be at least {least}")
