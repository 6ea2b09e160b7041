"""Write the embedded sample: `python -m sample.generate --out FILE`; the same seed gives the same bytes every time."""

import argparse
import hashlib
import logging
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Final

from tqdm import tqdm

from sample import aggregates, joins, nested, rows
from sample.chooser import Chooser, Draft, UnsuitableDomainError
from sample.database import FilledDatabase, is_acceptable
from sample.english import sentence
from sample.schema import DOMAINS, Domain
from text2sql_lightning.errors import ConfigError, Text2SQLError
from text2sql_lightning.files.jsonl import write_objects

logger = logging.getLogger(__name__)

Template = Callable[[Chooser], Draft]

TEMPLATES: Final[dict[Template, int]] = {
    rows.everything: 5,
    rows.lookup: 14,
    rows.filtered: 30,
    rows.filtered_columns: 19,
    rows.filtered_twice: 15,
    rows.filtered_either: 4,
    rows.filtered_one_of: 4,
    rows.filtered_like: 5,
    rows.filtered_between: 4,
    rows.filtered_not: 3,
    rows.filtered_missing: 24,
    rows.filtered_in_year: 6,
    rows.distinct: 4,
    aggregates.count: 2,
    aggregates.count_filtered: 18,
    aggregates.count_filtered_twice: 8,
    aggregates.count_distinct: 4,
    aggregates.one_aggregate: 11,
    aggregates.aggregate_filtered: 14,
    aggregates.two_aggregates: 4,
    rows.sorted_rows: 8,
    rows.top_row: 14,
    rows.top_filtered_row: 6,
    rows.top_rows: 6,
    aggregates.count_per_group: 18,
    aggregates.aggregate_per_group: 11,
    aggregates.groups_with_count: 6,
    aggregates.largest_group: 12,
    nested.against_average: 11,
    nested.without_children: 10,
    nested.with_some_child: 11,
    nested.average_count: 4,
    nested.in_both: 4,
    nested.in_one_only: 5,
    nested.in_either: 7,
    joins.child_with_parent: 26,
    joins.child_of_parents: 70,
    joins.parent_of_child: 44,
    joins.count_children: 25,
    joins.aggregate_children: 20,
    joins.distinct_parents: 3,
    joins.parent_of_top_child: 10,
    joins.count_per_parent: 20,
    joins.aggregate_per_parent: 10,
    joins.parents_with_count: 6,
    joins.parent_with_most: 7,
    joins.count_including_none: 4,
    joins.through_bridge: 40,
}
"""Every template with how often it is used compared with the others. Its function's name is the construct in the rows;
one that a domain has no table for is left out there."""

ATTEMPTS: Final = 30
"""Drafts of one template that may fail before the domain is done with that template."""

ROWS_PER_SCHEMA: Final = 60


@dataclass(frozen=True)
class SampleRow:
    """One question about one domain, with its answer.

    Attributes:
        question: What is asked.
        context: The domain's CREATE TABLE text.
        answer: The SQL.
        domain: Name of the domain.
        construct: Name of the template.
    """

    question: str
    context: str
    answer: str
    domain: str
    construct: str


def generate_rows(domains: Sequence[Domain], *, seed: int, rows_per_schema: int) -> Iterator[SampleRow]:
    """Return the rows of all domains, one domain after the other.

    Args:
        domains: The hand-written schemas.
        seed: Chooses values, templates and wordings; the same seed gives the same rows everywhere.
        rows_per_schema: How many rows each domain gets.

    Yields:
        The rows; no two of a domain have the same question or the same SQL.
    """
    for domain in domains:
        yield from _domain_rows(domain, seed, rows_per_schema)


def _domain_rows(domain: Domain, seed: int, size: int) -> list[SampleRow]:
    database = FilledDatabase(domain, seed)
    rng = Random(f"{seed}/{domain.name}/questions")
    turns = _turns(rng, size)
    made: list[SampleRow] = []
    seen: set[str] = set()
    spent: set[Template] = set()
    while len(made) < size and len(spent) < len(TEMPLATES):
        template = next(turns)
        if template in spent:
            continue
        draft = _accepted(template, Chooser(rng, database), seen)
        if draft is None:
            spent.add(template)
            continue
        question, answer = sentence(draft.question), draft.query.text()
        seen |= {question, answer}
        made.append(SampleRow(question, domain.ddl(), answer, domain.name, template.__name__))
    database.close()
    return made


def _turns(rng: Random, size: int) -> Iterator[Template]:
    """Templates for ever, in rounds of `size` turns in random order; in a round, each has its share, rounded."""
    templates, bounds = list(TEMPLATES), list(accumulate(TEMPLATES.values()))
    while True:
        step, start = bounds[-1] / size, rng.random()
        points = [(start + turn) * step for turn in range(size)]
        turns = [templates[min(bisect_right(bounds, point), len(bounds) - 1)] for point in points]
        rng.shuffle(turns)
        yield from turns


def _accepted(make: Template, choose: Chooser, seen: set[str]) -> Draft | None:
    for _ in range(ATTEMPTS):
        try:
            draft = make(choose)
        except UnsuitableDomainError:
            continue
        new = not {sentence(draft.question), draft.query.text()} & seen
        if new and is_acceptable(choose.database, draft.query):
            return draft
    return None


def write_sample(path: Path, *, seed: int = 42, rows_per_schema: int = ROWS_PER_SCHEMA) -> str:
    """Generate the sample and write it atomically.

    Args:
        path: The file to write, `.jsonl` or `.jsonl.gz`.
        seed: Seed of the generator.
        rows_per_schema: Rows for each schema, at least 1.

    Returns:
        The SHA-256 of the file.

    Raises:
        ConfigError: `rows_per_schema` is not positive, or the file cannot be written.
    """
    if rows_per_schema < 1:
        raise ConfigError(f"--rows_per_schema is {rows_per_schema}; give a number of at least 1")
    made = generate_rows(DOMAINS, seed=seed, rows_per_schema=rows_per_schema)
    progress = tqdm(made, total=len(DOMAINS) * rows_per_schema, unit="row", desc="sample")
    try:
        write_objects(path, (asdict(row) for row in progress))
    except OSError as error:
        raise ConfigError(
            f"--out {path} cannot be written ({error.strerror}); give a file in a folder of yours"
        ) from error
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(args: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, or with those of the process; a wrong one ends it with status 2."""
    parser = argparse.ArgumentParser(
        prog="python -m sample.generate", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="file to write, .jsonl or .jsonl.gz")
    parser.add_argument("--seed", type=int, default=42, help="seed of the generator")
    parser.add_argument("--rows_per_schema", type=int, default=ROWS_PER_SCHEMA, help="rows for each schema")
    settings = parser.parse_args(args)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        digest = write_sample(settings.out, seed=settings.seed, rows_per_schema=settings.rows_per_schema)
    except Text2SQLError as error:
        parser.error(str(error))
    logger.info("wrote %s (SHA-256 %s)", settings.out, digest)


if __name__ == "__main__":
    main()
