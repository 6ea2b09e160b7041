"""Can internal execution accuracy be trusted? Gold is always right, and what means something else is wrong.

What means something else is decided without the package's own code: mutants made on sqlglot's tree, of which a
database of plain random rows (`tests/reference`) shows that they return something else.
"""

import gzip
import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from reference.differing_mutants import Mutant, differing_mutants
from reference.tree_mutants import KINDS

from text2sql_lightning.data.sources import read_rows
from text2sql_lightning.evaluation.execution_accuracy import Verdict, score_many
from text2sql_lightning.prepare.pipeline import build_dataset
from text2sql_lightning.prepare.settings import BuildSettings
from text2sql_lightning.sql.execution import adheres_to_schema
from text2sql_lightning.sql.repair import ddl_error, repair_ddl
from text2sql_lightning.sql.schema import Schema

ROOT = Path(__file__).parents[2]
REAL_ROWS = ROOT.parent / "shared" / "data" / "sql_create_context" / "rows.jsonl.gz"
SAMPLE_ROWS = ROOT / "text2sql_lightning" / "assets" / "sample_rows.jsonl.gz"
RIGHT = Verdict(True, True, None, True)

integration = pytest.mark.integration
slow = pytest.mark.slow
needs_real_rows = pytest.mark.skipif(not REAL_ROWS.is_file(), reason="needs the reference data beside the repository")


def read_pairs(path: Path) -> list[tuple[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [(row["context"], row["answer"]) for row in rows]


def accepted(mutants: list[Mutant], workers: int = 1) -> dict[str, int]:
    """Return for each kind how many mutants are taken for right."""
    verdicts = score_many([(m.context, m.gold, m.sql) for m in mutants], workers=workers)
    assert all(verdict.gold_runs for verdict in verdicts)
    return dict(Counter(m.kind for m, verdict in zip(mutants, verdicts, strict=True) if verdict.exec))


def golds_that_are_wrong(pairs: list[tuple[str, str]], workers: int = 1) -> tuple[int, list[Any]]:
    """Return how many golds run, and those of them that are not right or leave their schema."""
    verdicts = score_many([(context, gold, gold) for context, gold in pairs], workers=workers)
    valid = [(pair, verdict) for pair, verdict in zip(pairs, verdicts, strict=True) if verdict.gold_runs]
    return len(valid), [pair for pair, verdict in valid if verdict != RIGHT or not adheres(*pair)]


def adheres(context: str, gold: str) -> bool:
    text = repair_ddl(context).text
    return ddl_error(text) is None and adheres_to_schema(gold, Schema.from_ddl(text))


@integration
def test_mutants_of_the_embedded_sample_are_rejected() -> None:
    mutants = differing_mutants(read_pairs(SAMPLE_ROWS), 60, seed=2)
    assert Counter(m.kind for m in mutants) == dict.fromkeys(KINDS, 60)
    assert sum(accepted(mutants).values()) <= 9


@integration
@needs_real_rows
def test_mutants_of_real_rows_are_rejected() -> None:
    mutants = differing_mutants(read_pairs(REAL_ROWS), 60, seed=3)
    assert Counter(m.kind for m in mutants) == dict.fromkeys(KINDS, 60)
    assert sum(accepted(mutants).values()) <= 9


@integration
@needs_real_rows
def test_gold_is_right_on_real_rows() -> None:
    pairs = Random(1).sample(read_pairs(REAL_ROWS), 400)
    assert golds_that_are_wrong(pairs) == (383, [])


@integration
def test_gold_is_right_on_the_embedded_sample() -> None:
    pairs = Random(1).sample(read_pairs(SAMPLE_ROWS), 400)
    assert golds_that_are_wrong(pairs) == (400, [])


@slow
@needs_real_rows
@pytest.mark.timeout(1800)
def test_97_of_100_mutants_are_rejected_in_every_kind() -> None:
    mutants = differing_mutants(read_pairs(REAL_ROWS), 1000, seed=4)
    assert Counter(m.kind for m in mutants) == dict.fromkeys(KINDS, 1000)
    missed = accepted(mutants, workers=2)
    assert max(missed.values()) <= 30, missed


@slow
@needs_real_rows
@pytest.mark.timeout(1800)
def test_gold_is_right_on_every_row() -> None:
    assert golds_that_are_wrong(read_pairs(REAL_ROWS), workers=2) == (8623, [])


@slow
@needs_real_rows
@pytest.mark.timeout(1800)
def test_gold_is_right_on_every_built_record() -> None:
    built = build_dataset(read_rows(REAL_ROWS), BuildSettings(decontaminate=False, workers=2))
    pairs = [(record.context, str(record.output)) for record in [*built.train, *built.val, *built.test]]
    valid, wrong = golds_that_are_wrong(pairs, workers=2)
    assert (valid, wrong) == (len(pairs), [])
    assert valid > 8600
