"""Spider dev as a command sees it: from a folder or the hub, sampled, as questions for a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from text2sql_lightning.errors import ConfigError
from text2sql_lightning.evaluation.spider import SpiderExample, read_spider
from text2sql_lightning.evaluation.stratified import stratified_sample
from text2sql_lightning.inference.baselines import Question
from text2sql_lightning.sql.components import hardness
from text2sql_lightning.sql.sample_values import SampleSettings, schema_text, sqlite_schema
from text2sql_lightning.sql.schema import Schema


@dataclass(frozen=True)
class SpiderSource:
    """The benchmark.

    Attributes:
        examples: All questions of dev.
        schemas: The schema of each database.
        database_dir: Folder of `<db>/<db>.sqlite`, where there is one.
        name: Where it is from.
    """

    examples: Sequence[SpiderExample]
    schemas: dict[str, Schema]
    database_dir: Path | None
    name: str


def load_spider(folder: Path | None) -> SpiderSource:
    """Read Spider from a folder, or load it from the hub.

    Raises:
        DataError: A file is missing or malformed, or the hub cannot be reached.
    """
    if folder is not None:
        examples, schemas = read_spider(folder)
        databases = folder / "database"
        return SpiderSource(examples, schemas, databases if databases.is_dir() else None, str(folder))
    from text2sql_lightning.data.spider_hub import DATABASES, QUESTIONS, SCHEMAS, hub_databases, hub_spider

    rows, schemas = hub_spider()
    examples = [SpiderExample(i, row.db_id, row.question, row.query) for i, row in enumerate(rows)]
    fetched = hub_databases(sorted({example.db_id for example in examples}))
    return SpiderSource(examples, schemas, fetched, ", ".join([QUESTIONS, SCHEMAS, *([DATABASES] if fetched else [])]))


def choose_examples(spider: SpiderSource, count: int | None, *, seed: int) -> list[SpiderExample]:
    """Take a seeded sample with dev's shares of hardness; all where the count is None."""
    ratings = [str(hardness(example.gold, spider.schemas[example.db_id])) for example in spider.examples]
    return [spider.examples[at] for at in stratified_sample(ratings, count, seed=seed)]


def spider_questions(
    spider: SpiderSource, examples: Sequence[SpiderExample], *, sample_values: int = 0
) -> list[Question]:
    """Give each question the whole schema of its database.

    Args:
        spider: The benchmark.
        examples: The questions.
        sample_values: How many values of each column stand in the prompt.

    Raises:
        ConfigError: Sample values are wanted and there are no databases, or too many of them are.
        DataError: Sample values are wanted and a database cannot be read.
    """
    folder, samples = spider.database_dir, SampleSettings(sample_values)
    if samples.count and folder is None:
        raise ConfigError(f"--sample_values {sample_values} needs databases, and there are none: leave it out")
    contexts: dict[str, str] = {}
    for name in sorted({example.db_id for example in examples}):
        schema = spider.schemas[name]
        if samples.count and folder is not None:
            schema = sqlite_schema(folder / name / f"{name}.sqlite", samples, schema)
        contexts[name] = schema_text(schema, samples)
    return [Question(contexts[example.db_id], example.question) for example in examples]
