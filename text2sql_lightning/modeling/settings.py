"""Knobs that travel together: LoRA, and generation."""

from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Final, Literal, get_args

from text2sql_lightning.errors import ConfigError

BackendName = Literal["unsloth", "transformers"]
"""Each is a file of `modeling/backends`; a new one is named here."""
Backend = Literal["auto", BackendName]
Quantization = Literal["nf4", "int8", "none"]
OptimizerName = Literal["auto", "adamw", "paged_adamw_8bit"]
Packing = Literal["none", "sequence", "shared_prefix"]
ScheduleName = Literal["constant", "linear", "cosine"]
Choice = Literal["first", "vote", "first_executable"]

PROJECTIONS: Final = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The seven linear projections of a Llama or Mistral layer."""
_RETRY_TEMPERATURE: Final = 0.5
"""Of answers that are drawn where the most likely one does not run."""


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
        lr_ratio: Learning rate of the B matrices over that of the A matrices, which is `learning_rate` (LoRA+,
            arXiv:2402.12354); 1 is plain LoRA.
    """

    r: int = 16
    alpha: int = 16
    dropout: float = 0.0
    target_modules: list[str] | Literal["all-linear"] = field(default_factory=lambda: list(PROJECTIONS))
    use_rslora: bool = False
    use_dora: bool = False
    lr_ratio: float = 1.0


@dataclass
class GenerationSettings:
    """How SQL is generated: greedy unless said otherwise, each answer ended at its first complete statement.

    Args:
        max_new_tokens: An answer longer than this is cut.
        batch_size: Answers generated at the same time.
        temperature: 0 takes the most likely token each time; above 0 tokens are drawn, the more freely the higher.
        top_p: Of the tokens only the most likely ones are drawn that reach this probability together.
        num_beams: Answers followed at the same time to find the most likely ones; 1 is no beam search.
        num_samples: Answers that are drawn to each prompt; more than one need a temperature.
        choice: Which of them counts, beams from the most likely on: the `first`, the `first_executable` on the schema
            in the prompt, or by `vote` the first of those whose results most of them share, on small databases made
            from it.
        retries: Answers that are drawn where the only one does not run on the schema of its prompt; the first of them
            that runs takes its place. What is no SQL at all stays.
        seed: Decides, with the prompt and the number of the sample, what is drawn.
    """

    max_new_tokens: int = 256
    batch_size: int = 16
    temperature: float = 0.0
    top_p: float = 1.0
    num_beams: int = 1
    num_samples: int = 1
    choice: Choice = "first"
    retries: int = 0
    seed: int = 0

    @property
    def num_answers(self) -> int:
        """How many answers to each prompt there are to choose from."""
        return self.num_beams if self.num_beams > 1 and self.choice != "first" else self.num_samples

    def of_retries(self) -> "GenerationSettings":
        """Return the settings for drawing the answers that may replace one that does not run."""
        return replace(
            self,
            temperature=self.temperature or _RETRY_TEMPERATURE,
            num_beams=1,
            num_samples=self.retries,
            choice="first",
            retries=0,
            seed=self.seed + 1,
        )


def check_lora(lora: LoraSettings | None) -> None:
    """Refuse an adapter that cannot be made.

    Raises:
        ConfigError: Names the setting, its value and what is allowed.
    """
    if lora is None:
        return
    for name, value in vars(lora).items():
        if value is None:  # the parser takes null for anything
            raise ConfigError(f"model.lora.{name} is null; give it a value, or leave it out")
    _at_least("lora.r", lora.r, 1)
    _at_least("lora.alpha", lora.alpha, 1)
    if not 0 <= lora.dropout < 1:
        raise ConfigError(f"model.lora.dropout is {lora.dropout}; it must be at least 0 and below 1")
    if not (lora.lr_ratio > 0 and isfinite(lora.lr_ratio)):
        raise ConfigError(f"model.lora.lr_ratio is {lora.lr_ratio}; it must be a number above 0, and 1 is plain LoRA")
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
    check_generation(generation)


def check_generation(generation: GenerationSettings, prefix: str = "model.generation.") -> None:
    """Refuse a way to generate that makes no sense.

    Raises:
        ConfigError: Names the setting, with `prefix` as the user wrote it, its value and what is allowed.
    """
    if generation.retries < 0:
        raise ConfigError(f"{prefix}retries is {generation.retries}; it must be 0 or more")
    for name in ("max_new_tokens", "batch_size", "num_beams", "num_samples"):
        if getattr(generation, name) < 1:
            raise ConfigError(f"{prefix}{name} is {getattr(generation, name)}; it must be at least 1")
    if not (generation.temperature >= 0 and isfinite(generation.temperature)):
        raise ConfigError(f"{prefix}temperature is {generation.temperature}; it must be 0 or a number above 0")
    if not 0 < generation.top_p <= 1:
        raise ConfigError(f"{prefix}top_p is {generation.top_p}; it must be above 0 and at most 1")
    if generation.choice not in get_args(Choice):
        raise ConfigError(f"{prefix}choice is {generation.choice}; it must be one of {', '.join(get_args(Choice))}")
    _check_together(generation, prefix)


def _check_together(generation: GenerationSettings, prefix: str) -> None:
    sampled = generation.temperature > 0
    if generation.num_beams > 1 and (sampled or generation.num_samples > 1):
        raise ConfigError(
            f"{prefix}num_beams is {generation.num_beams}: beams look for the one most likely answer; leave "
            f"{prefix}temperature at 0 and {prefix}num_samples at 1, or take 1 beam"
        )
    if generation.num_samples > 1 and not sampled:
        raise ConfigError(
            f"{prefix}num_samples is {generation.num_samples} with {prefix}temperature 0: they would all be the same; "
            "set a temperature such as 0.8"
        )
    if generation.retries and generation.num_answers > 1:
        many = "num_samples" if generation.num_samples > 1 else "num_beams"
        raise ConfigError(
            f"{prefix}retries is {generation.retries} with {prefix}{many} {generation.num_answers} to choose from: "
            f"retries take the place of a single answer; leave one of them out ({prefix}choice first_executable takes "
            "the first of several that runs)"
        )
    if generation.choice != "first" and generation.num_answers == 1:
        raise ConfigError(
            f"{prefix}choice is {generation.choice} with {prefix}num_samples 1: there is nothing to choose between; "
            f"set {prefix}num_samples to 5, say, and {prefix}temperature to 0.8, or {prefix}num_beams to 4"
        )


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ConfigError(f"model.{name} is {value}; it must be at least {least}")
