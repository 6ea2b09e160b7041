"""Knobs that travel together: LoRA, and generation."""

from dataclasses import dataclass, field
from typing import Final, Literal

Backend = Literal["auto", "unsloth", "transformers"]
Quantization = Literal["nf4", "int8", "none"]
OptimizerName = Literal["auto", "adamw", "paged_adamw_8bit"]
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
