"""A question in words -> SQL, with a trained adapter and a database or a schema."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from text2sql_lightning.errors import ConfigError, DataError
from text2sql_lightning.inference.generator import Generator
from text2sql_lightning.inference.voting import Database, databases_for_prompt
from text2sql_lightning.modeling.settings import Choice, GenerationSettings, Quantization
from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.text.prompts import INSTRUCTION, build_prompt, format_input


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
        generator: A loaded model.
    """

    def __init__(self, generator: Generator) -> None:
        self.generator = generator

    @classmethod
    def from_adapter(
        cls,
        adapter_dir: str | Path,
        *,
        base_model: str | None = None,
        quantization: Quantization | None = None,
        generation: GenerationSettings | None = None,
    ) -> "Asker":
        """Load a trained adapter on its base model; arguments and errors are those of `Generator.from_adapter`."""
        return cls(
            Generator.from_adapter(adapter_dir, base_model=base_model, quantization=quantization, settings=generation)
        )

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

        def databases(prompt: str, answers: Sequence[str], choice: Choice) -> Sequence[Database]:
            return [database] if database else databases_for_prompt(prompt, answers, choice)

        prompt = build_prompt(INSTRUCTION, format_input(tables.to_ddl(), question.strip()))
        ((best, answers),) = self.generator.answer([prompt], databases=databases, timeout_s=timeout_s)
        return Answer(best.sql, best.raw, best.finished, tuple(answer.sql for answer in answers))


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
