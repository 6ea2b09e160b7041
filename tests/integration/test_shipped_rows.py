"""What the sample that is shipped promises."""

import gzip
import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

from sample.database import FilledDatabase
from sample.generate import TEMPLATES, generate_rows
from sample.schema import DOMAINS
from text2sql_lightning.prepare.decontaminate import Detector
from text2sql_lightning.prepare.normal_form import normal_query
from text2sql_lightning.sql.hardness import hardness

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "text2sql_lightning" / "assets" / "sample_rows.jsonl.gz"

CONSTRUCTS = (
    *("WHERE", "GROUP BY", "HAVING", "ORDER BY", "DESC", "LIMIT", "DISTINCT", "COUNT(DISTINCT"),
    *("COUNT(*)", "AVG(", "SUM(", "MIN(", "MAX(", " JOIN ", "LEFT JOIN", "AS T3"),
    *("NOT IN (SELECT", " IN (SELECT", "> (SELECT", "FROM (SELECT", "UNION", "INTERSECT", "EXCEPT"),
    *("LIKE '", "BETWEEN", "strftime(", "IS NULL", "IS NOT NULL", " IN ('", " OR ", " AND ", " != ", " <= ", " >= "),
)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return [json.loads(line) for line in gzip.decompress(SHIPPED.read_bytes()).decode().splitlines()]


def test_file_is_small() -> None:
    assert SHIPPED.stat().st_size <= 1_500_000


def test_generating_again_gives_the_shipped_rows(rows: list[dict[str, str]]) -> None:
    # Rows and not bytes: another build of zlib may compress the same text differently.
    assert [asdict(row) for row in generate_rows(DOMAINS, seed=42, rows_per_schema=60)] == rows


def test_every_template_is_used(rows: list[dict[str, str]]) -> None:
    assert {row["construct"] for row in rows} == {template.__name__ for template in TEMPLATES}


def test_counts(rows: list[dict[str, str]]) -> None:
    assert len(rows) >= 3000
    assert len({row["context"] for row in rows}) >= 40
    assert set(rows[0]) == {"question", "context", "answer", "domain", "construct"}
    assert max(Counter(row["domain"] for row in rows).values()) <= 75
    assert len({(row["context"], row["question"]) for row in rows}) == len(rows)
    assert sum(" JOIN " in row["answer"] for row in rows) / len(rows) >= 0.25


def test_at_most_35_percent_are_easy(rows: list[dict[str, str]]) -> None:
    levels = Counter(hardness(row["answer"]) for row in rows)
    assert levels["unknown"] == 0
    assert levels["easy"] / len(rows) <= 0.35
    assert levels["easy"] / len(rows) >= 0.3
    assert 0.1 <= (levels["hard"] + levels["extra"]) / len(rows) <= 0.15


def test_no_row_is_a_question_of_spider_dev(rows: list[dict[str, str]]) -> None:
    detector = Detector.for_spider()
    found = [detector.find(row["question"], normal_query(row["answer"])) for row in rows]
    kinds = [match.kind for match in found if match]
    # Three rows ask of other tables what dev asks ("How many pets have a greater weight than 10?"): builds drop them.
    assert kinds == ["near_duplicate"] * 3


def test_contexts_are_short(rows: list[dict[str, str]]) -> None:
    assert sum(len(row["context"]) for row in rows) / len(rows) <= 220


@pytest.mark.parametrize("construct", CONSTRUCTS)
def test_constructs_of_analysts_occur(rows: list[dict[str, str]], construct: str) -> None:
    assert sum(construct in row["answer"] for row in rows) >= 15


def test_text_literals_stand_verbatim_in_the_question(rows: list[dict[str, str]]) -> None:
    for row in rows:
        sql = row["answer"].replace("'%Y'", "").replace("''", "\0")
        for literal in re.findall(r"'%?([^']*?)%?'", sql):
            assert literal.replace("\0", "'") in row["question"], row


def test_numbers_stand_with_the_same_digits_in_the_question(rows: list[dict[str, str]]) -> None:
    flags = re.compile("|".join(sorted({c.name for one in DOMAINS for t in one.tables for c in t.of_kind("flag")})))
    for row in rows:
        for left, digits in re.findall(r"(\S+) (?:[<>]=?|!?=|BETWEEN|AND|LIMIT) (-?[\d.]+)", row["answer"]):
            if flags.search(left) or (digits == "1" and row["answer"].endswith("LIMIT 1")):
                continue
            assert re.search(rf"(?<![\d.]){re.escape(digits)}(?![\d])", row["question"]), row


def test_style_of_the_sql(rows: list[dict[str, str]]) -> None:
    for row in rows:
        assert row["answer"] == " ".join(row["answer"].split())
        assert not row["answer"].endswith(";")
        assert '"' not in row["answer"]


def test_questions_are_sentences(rows: list[dict[str, str]]) -> None:
    for row in rows:
        assert row["question"][0].isupper()
        assert row["question"].endswith((".", "?"))
        assert not re.search(r"\b(a [aeio]|an [bcdfgjklmnpqrstvwxyz]|the the|of of|  )", row["question"]), row


def test_every_answer_runs_and_answers_something(rows: list[dict[str, str]]) -> None:
    databases = {one.name: FilledDatabase(one, seed=42) for one in DOMAINS}
    for row in rows:
        result = databases[row["domain"]].rows(row["answer"])
        assert any(value not in (None, 0) for line in result for value in line), row


def test_bytes_do_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    files = []
    for hash_seed in ("1", "2"):
        files.append(tmp_path / f"{hash_seed}.jsonl.gz")
        command = [sys.executable, "-m", "sample.generate", "--out", str(files[-1]), "--rows_per_schema", "3"]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": f"{ROOT / 'scripts'}{os.pathsep}{ROOT}"}
        subprocess.run(command, check=True, env=environment, capture_output=True, timeout=120)
    assert files[0].read_bytes() == files[1].read_bytes()
