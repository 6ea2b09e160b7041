"""A question in words -> SQL, with a trained adapter and a database or a schema."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast, get_args

from text2sql_lightning.constants import RUN_META_FILE
from text2sql_lightning.errors import ConfigError, DataError
from text2sql_lightning.inference.artifacts import agree_with_adapter
from text2sql_lightning.inference.generation import generate_samples
from text2sql_lightning.inference.voting import Database, choose, databases_to_choose, runs
from text2sql_lightning.modeling.backends import LoadRequest, get_backend
from text2sql_lightning.modeling.settings import GenerationSettings, Quantization, check_generation
from text2sql_lightning.modeling.support import Hardware, check_support, choose_precision
from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.text.prompts import INSTRUCTION, build_prompt, format_input
from text2sql_lightning.text.tokenizer import load_tokenizer

_MAX_SEQ_LENGTH: Final = 2048


@dataclass(frozen=True)
class Answer:
    """What a model says to a question.

    Attributes:
        sql: The query; empty where it wrote none.
        raw: All that it wrote.
        finished: Whether the query is complete, rather than cut at the token limit.
        candidates: The queries that were chosen from, this one included.
    """

    sql: str
    raw: str
    finished: bool
    candidates: tuple[str, ...]


class Asker:
    """Answers questions with SQL.

    ::

        asker = Asker.from_adapter("outputs/quickstart/run/adapters")
        print(asker.ask("How many singers are there?", "concerts.sqlite"))

    Args:
        model: A causal language model in inference mode, with or without adapters.
        tokenizer: Its tokenizer.
        generation: How SQL is generated.
    """

    def __init__(self, model: Any, tokenizer: Any, generation: GenerationSettings | None = None) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.generation = generation or GenerationSettings()
        check_generation(self.generation, "generation.")

    @classmethod
    def from_adapter(
        cls,
        adapter_dir: str | Path,
        *,
        base_model: str | None = None,
        quantization: Quantization | None = None,
        generation: GenerationSettings | None = None,
    ) -> "Asker":
        """Load a trained adapter on its base model, on the GPU where there is one.

        Args:
            adapter_dir: The folder `adapters/` of a run.
            base_model: Name or folder of the base model, where it is not the one that the adapter names.
            quantization: How the base weights are kept; None for what the run had, nf4 where that is not known.
            generation: How SQL is generated.

        Raises:
            ModelError: The folder is no adapter folder, or its base model cannot be had.
            ConfigError: A setting makes no sense, or a package for it is missing.
        """
        folder = Path(adapter_dir)
        adapter: dict[str, Any] = {"lora": {}}
        agree_with_adapter(adapter, {}, folder, "adapter_dir")
        name = base_model or adapter["base_model"]
        kept = quantization or _quantization_of_run(folder)
        hardware = Hardware.here()
        check_support("transformers", kept, None, hardware)
        tokenizer = load_tokenizer(name, setting="base_model")
        backend = get_backend("transformers")
        model = backend.load(_request(name, kept, folder, hardware))
        backend.for_inference(model)
        return cls(model, tokenizer, generation)

    def ask(self, question: str, schema: Schema | str | Path) -> str:
        """Write the SQL that answers a question; empty where the model writes none.

        Args:
            question: The question in words.
            schema: A SQLite file, a file of CREATE TABLE statements whose name ends in `.sql`, such statements
                themselves, or a `Schema`.
        """
        return self.answer(question, schema).sql

    def answer(self, question: str, schema: Schema | str | Path, *, timeout_s: float = 5.0) -> Answer:
        """Answer a question; like `ask`, with all that is known about the answer.

        Args:
            question: The question in words.
            schema: As for `ask`. Of several answers, the choice between them is made on the SQLite file where one is
                given, else on databases made from the schema.
            timeout_s: Seconds that one query may take when answers are executed for the choice.

        Raises:
            ConfigError: The question is empty.
            DataError: There is no such database or file, or it holds no table.
        """
        if not question.strip():
            raise ConfigError("the question is empty: ask something, in words and in quotes")
        tables, database = read_schema(schema)
        context = tables.to_ddl()
        prompt = build_prompt(INSTRUCTION, format_input(context, question.strip()))
        (samples,) = generate_samples(self.model, self.tokenizer, [prompt], self.generation)
        choice = self.generation.choice
        written = [sample.sql for sample in samples]
        databases: list[Database] = [database] if database else [*databases_to_choose(context, written, choice)]
        if self.generation.retries and samples[0].sql and not runs(samples[0].sql, databases, timeout_s):
            samples += generate_samples(self.model, self.tokenizer, [prompt], self.generation.of_retries())[0]
            choice = "first_executable"
        queries = [sample.sql for sample in samples]
        chosen = choose(queries, databases, choice, timeout_s=timeout_s)
        best = samples[chosen]
        return Answer(best.sql, best.raw, best.finished, tuple(queries))


def read_schema(source: Schema | str | Path) -> tuple[Schema, Path | None]:
    """Read a schema from what a user has: see `Asker.ask`.

    Returns:
        The schema, and the SQLite file it came from, if it did.

    Raises:
        DataError: The file is missing or unreadable, or there is no table in it.
    """
    if isinstance(source, Schema):
        return source, None
    if isinstance(source, str) and "create table" in " ".join(source.lower().split()):
        return Schema.from_ddl(source), None
    path = Path(source)
    if path.suffix.lower() != ".sql":
        return Schema.from_sqlite(path), path
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise DataError(f"the schema file {path} cannot be read ({reason}); give a file of SQL text") from error
    try:
        return Schema.from_ddl(text), None
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _quantization_of_run(folder: Path) -> Quantization:
    try:
        meta = json.loads((folder.resolve().parent / RUN_META_FILE).read_text(encoding="utf-8"))
        known = meta.get("quantization")
    except (OSError, ValueError, AttributeError):
        known = None
    return cast(Quantization, known) if known in get_args(Quantization) else "nf4"


def _request(base_model: str, quantization: Quantization, folder: Path, hardware: Hardware) -> LoadRequest:
    import torch

    precisions = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16, "32-true": torch.float32}
    return LoadRequest(
        base_model=base_model,
        quantization=quantization,
        lora=None,
        adapter_path=folder,
        trainable=False,
        compute_dtype=precisions[choose_precision(hardware)],
        device=torch.device("cuda", 0) if hardware.cuda_capability else torch.device("cpu"),
        gradient_checkpointing=False,
        max_seq_length=_MAX_SEQ_LENGTH,
        seed=0,
    )
