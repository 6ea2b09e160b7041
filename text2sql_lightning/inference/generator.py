"""THE way to load a model and to ask it: an engine writes answers, the generator chooses between them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch

from text2sql_lightning.inference.artifacts import adapter_settings, quantization_of_run
from text2sql_lightning.inference.generation import Generation, generate_samples
from text2sql_lightning.inference.voting import Database, choose, databases_for_prompt, runs
from text2sql_lightning.modeling.backends import (
    Hardware,
    LoadRequest,
    ModelBackend,
    check_support,
    choose_backend,
    choose_precision,
    get_backend,
)
from text2sql_lightning.modeling.decoder import device_of
from text2sql_lightning.modeling.settings import (
    Backend,
    BackendName,
    Choice,
    GenerationSettings,
    LoraSettings,
    Quantization,
    check_generation,
)
from text2sql_lightning.text.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

FindDatabases = Callable[[str, Sequence[str], Choice], Sequence[Database]]
"""Prompt, answers, choice -> the databases on which the choice is made."""


class Engine(Protocol):
    """What writes answers: this project's loop over tokens, or another program."""

    tokenizer: "PreTrainedTokenizerBase"

    @property
    def max_positions(self) -> int | None:
        """How many tokens the model reads, prompt and answer together; None where it does not say."""

    def samples(
        self, prompts: Sequence[str], settings: GenerationSettings, progress: bool = False
    ) -> list[list[Generation]]:
        """Return `settings.num_answers` answers to each prompt, in the order of the prompts."""


@dataclass
class BuiltinEngine:
    """A model in this process.

    Attributes:
        model: A causal language model, with or without adapters.
        tokenizer: Its tokenizer.
        backend: What switches it between training and generation.
        backend_name: Which one that is.
        compute_dtype: Type of its matrix products.
    """

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    backend: ModelBackend = field(default_factory=lambda: get_backend("transformers"))
    backend_name: BackendName = "transformers"
    compute_dtype: torch.dtype = torch.float32

    @classmethod
    def load(cls, request: LoadRequest, backend: Backend = "auto", *, setting: str = "base_model") -> "BuiltinEngine":
        """Load a base model with its tokenizer, and an adapter on it.

        Args:
            request: What to load, and where to.
            backend: How; `auto` is decided by the hardware.
            setting: What the user named the base model by; for messages.

        Raises:
            ConfigError: A package is missing, or the backend cannot do what is asked.
            ModelError: The model or the adapter is damaged or cannot be had.
        """
        hardware = Hardware.here()
        name = choose_backend(backend, hardware)
        check_support(name, request.quantization, request.lora, hardware)
        loader = get_backend(name)
        tokenizer = load_tokenizer(request.base_model, setting=setting)
        return cls(loader.load(request), tokenizer, loader, name, request.compute_dtype)

    @property
    def max_positions(self) -> int | None:
        """How many tokens the model reads, prompt and answer together; None where it does not say."""
        return getattr(self.model.config, "max_position_embeddings", None)

    def samples(
        self, prompts: Sequence[str], settings: GenerationSettings, progress: bool = False
    ) -> list[list[Generation]]:
        """Return `settings.num_answers` answers to each prompt, in the order of the prompts."""
        self.backend.for_inference(self.model)
        with self._autocast():
            return generate_samples(self.model, self.tokenizer, prompts, settings, progress)

    def _autocast(self) -> AbstractContextManager[None]:
        """Compute as Lightning's mixed precision does, whoever asks: the adapter's weights are float32."""
        if self.compute_dtype not in (torch.bfloat16, torch.float16):
            return nullcontext()
        return torch.autocast(device_of(self.model).type, self.compute_dtype)


class Generator:
    """Answers prompts with SQL.

    ::

        generator = Generator.from_adapter("outputs/quickstart/run/adapters")
        (answer,) = generator.generate([build_prompt(INSTRUCTION, format_input(schema, question))])

    Args:
        engine: What writes the answers.
        settings: How, where `generate` is not told otherwise.

    Raises:
        ConfigError: A setting makes no sense.
    """

    def __init__(self, engine: Engine, settings: GenerationSettings | None = None) -> None:
        self.engine = engine
        self.settings = settings or GenerationSettings()
        check_generation(self.settings, "generation.")

    @classmethod
    def from_adapter(
        cls,
        adapter_dir: str | Path,
        *,
        base_model: str | None = None,
        quantization: Quantization | None = None,
        settings: GenerationSettings | None = None,
    ) -> "Generator":
        """Load a trained adapter on its base model, on the GPU where there is one.

        Args:
            adapter_dir: The folder `adapters/` of a run.
            base_model: Name or folder of the base model, where it is not the one that the adapter names.
            quantization: How the base weights are kept; None for what the run had, nf4 where that is not known.
            settings: How SQL is generated.

        Raises:
            ModelError: The folder is no adapter folder, or its base model cannot be had.
            ConfigError: A setting makes no sense, or a package for it is missing.
        """
        folder = Path(adapter_dir)
        saved = adapter_settings(folder, "adapter_dir")
        request = standalone_request(
            base_model or saved["base_model"], folder, quantization=quantization or quantization_of_run(folder)
        )
        return cls(BuiltinEngine.load(request, "transformers"), settings)

    def generate(
        self, prompts: Sequence[str], settings: GenerationSettings | None = None, progress: bool = False
    ) -> list[Generation]:
        """Answer each prompt once.

        Args:
            prompts: Built by `build_prompt`.
            settings: Limits, sampling, and how one of several answers is chosen; None for the generator's own.
            progress: Show a progress bar.

        Returns:
            The chosen answer to each prompt, in the order of the prompts.
        """
        settings = settings or self.settings
        return [best for best, _ in self.answer(prompts, settings, progress)]

    def answer(
        self,
        prompts: Sequence[str],
        settings: GenerationSettings | None = None,
        progress: bool = False,
        *,
        databases: FindDatabases = databases_for_prompt,
        timeout_s: float = 5.0,
    ) -> list[tuple[Generation, list[Generation]]]:
        """Answer each prompt; like `generate`, with all answers that were chosen from.

        Args:
            prompts: Built by `build_prompt`.
            settings: As for `generate`.
            progress: Show a progress bar.
            databases: Where answers are executed for the choice; unless given, what is made from the prompt's schema.
            timeout_s: Seconds that one query may take there.

        Returns:
            For each prompt the chosen answer, and all that it was chosen from.
        """
        settings = settings or self.settings
        found = self.engine.samples(prompts, settings, progress)
        choice = settings.choice
        if settings.retries:
            choice = "first_executable"
            places = [
                place
                for place, (prompt, (first, *_)) in enumerate(zip(prompts, found, strict=True))
                if first.sql and not _runs(first.sql, databases(prompt, [first.sql], choice), timeout_s)
            ]
            asked = [prompts[place] for place in places]
            more = self.engine.samples(asked, settings.of_retries(), progress) if asked else []
            for place, answers in zip(places, more, strict=True):
                found[place] += answers
        return [
            (answers[_choose(prompt, answers, choice, databases, timeout_s)], answers)
            for prompt, answers in zip(prompts, found, strict=True)
        ]


def standalone_request(
    base_model: str, adapter_dir: Path | None, *, quantization: Quantization, lora: LoraSettings | None = None
) -> LoadRequest:
    """Describe a model that generates outside a Trainer: on the GPU where there is one, in its precision."""
    hardware = Hardware.here()
    dtypes = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16, "32-true": torch.float32}
    return LoadRequest(
        base_model=base_model,
        quantization=quantization,
        compute_dtype=dtypes[choose_precision(hardware)],
        device=torch.device("cuda", 0) if hardware.cuda_capability else torch.device("cpu"),
        lora=lora,
        adapter_path=adapter_dir,
    )


def _choose(
    prompt: str, answers: Sequence[Generation], choice: Choice, databases: FindDatabases, timeout_s: float
) -> int:
    if choice == "first" or len(answers) == 1:
        return 0
    queries = [answer.sql for answer in answers]
    return choose(queries, databases(prompt, queries, choice), choice, timeout_s=timeout_s)


def _runs(sql: str, databases: Sequence[Database], timeout_s: float) -> bool:
    """Return whether a query runs; without a database nobody knows, and asking again would not help."""
    return not databases or runs(sql, databases, timeout_s)
