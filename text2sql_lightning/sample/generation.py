"""Rows for every domain: templates in turn, each draft executed before it is accepted."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Final

from text2sql_lightning.sample.acceptance import is_acceptable
from text2sql_lightning.sample.database import FilledDatabase
from text2sql_lightning.sample.ddl import create_table_text
from text2sql_lightning.sample.domain import Domain
from text2sql_lightning.sample.english import sentence
from text2sql_lightning.sample.pen import Draft, Pen, UnsuitableDomainError
from text2sql_lightning.sample.templates import TEMPLATES, Template

ATTEMPTS: Final = 30
"""Drafts of one template that may fail before the domain is done with that template."""


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
    """The rows of all domains, one domain after the other.

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
    context = create_table_text(domain)
    rng = Random(f"{seed}/{domain.name}/questions")
    turns = _turns(rng, size)
    rows: list[SampleRow] = []
    questions: set[str] = set()
    answers: set[str] = set()
    spent: set[str] = set()
    while len(rows) < size and len(spent) < len(TEMPLATES):
        template = next(turns)
        if template.name in spent:
            continue
        draft = _accepted(template.make, Pen(rng, database), questions, answers)
        if draft is None:
            spent.add(template.name)
            continue
        question, answer = sentence(draft.question), draft.query.text()
        questions.add(question)
        answers.add(answer)
        rows.append(SampleRow(question, context, answer, domain.name, template.name))
    database.close()
    return rows


def _turns(rng: Random, size: int) -> Iterator[Template]:
    """Templates for ever, in rounds of `size` turns in random order; in a round, each has its share, rounded."""
    bounds = list(accumulate(template.weight for template in TEMPLATES))
    while True:
        step, start = bounds[-1] / size, rng.random()
        points = [(start + turn) * step for turn in range(size)]
        templates = [TEMPLATES[min(bisect_right(bounds, point), len(bounds) - 1)] for point in points]
        rng.shuffle(templates)
        yield from templates


def _accepted(make: Callable[[Pen], Draft], pen: Pen, questions: set[str], answers: set[str]) -> Draft | None:
    for _ in range(ATTEMPTS):
        try:
            draft = make(pen)
        except UnsuitableDomainError:
            continue
        answer = draft.query.text()
        if (
            sentence(draft.question) not in questions
            and answer not in answers
            and is_acceptable(pen.database, draft.query)
        ):
            return draft
    return None
