"""Exact set match against the verdicts that Spider's official script gave.

`fixtures/exact_set_match.jsonl` holds pairs of this project's own on two invented schemas; `exact` and `hardness`
(gold's) were recorded from the official script.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sql_lightning.evaluation.spider.exact_set_match import exact_set_match
from text2sql_lightning.sql.hardness import hardness
from text2sql_lightning.sql.schema import Schema

pytestmark = pytest.mark.unit

FIXTURES = Path(__file__).parents[2] / "fixtures"

LIBRARY = Schema.from_ddl(
    "CREATE TABLE author (author_id INT PRIMARY KEY, name TEXT, born INT);"
    "CREATE TABLE book (book_id INT PRIMARY KEY, author_id INT, title TEXT, price INT,"
    " FOREIGN KEY (author_id) REFERENCES author)"
)


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_schemas(path: Path) -> dict[str, Schema]:
    entries = json.loads(path.read_text(encoding="utf-8"))
    return {entry["db_id"]: Schema.from_spider(entry) for entry in entries}


PAIRS = read_lines(FIXTURES / "exact_set_match.jsonl")
SCHEMAS = read_schemas(FIXTURES / "exact_set_match_schemas.json")


@pytest.mark.parametrize("rule", sorted({pair["rule"] for pair in PAIRS}))
def test_verdicts_of_the_official_script(rule: str) -> None:
    for pair in PAIRS:
        if pair["rule"] == rule:
            schema = SCHEMAS[pair["db_id"]]
            assert exact_set_match(pair["gold"], pair["predicted"], schema) is pair["exact"], pair
            assert hardness(pair["gold"]) == pair["hardness"], pair


def test_fixture_has_both_verdicts_and_every_hardness() -> None:
    assert len(PAIRS) >= 330
    assert min(Counter(pair["exact"] for pair in PAIRS).values()) >= 130
    assert {pair["hardness"] for pair in PAIRS} == {"easy", "medium", "hard", "extra"}


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        ("SELECT name FROM author WHERE born = 1", "select NAME from author where born = 2", True),
        ("SELECT name FROM author WHERE born = 1", "SELECT name FROM author WHERE born > 1", False),
        ("SELECT author_id FROM author JOIN book", "SELECT book.author_id FROM author JOIN book", True),
        ("SELECT author_id FROM author JOIN book", "SELECT book.book_id FROM author JOIN book", False),
        # The official script stops at a gold query that it cannot read: such pairs are compared as text.
        ("SELECT name FROM author WHERE born IS NULL", "select name from AUTHOR where born is null;", True),
        ("SELECT name FROM author WHERE born IS NULL", "SELECT name FROM author", False),
        ("SELECT name FROM author WHERE born = 1 born = 2", "SELECT name FROM author WHERE born = 1 born = 2", True),
        # Two different queries in FROM: the official script stops when it sorts them.
        (
            "SELECT count(*) FROM (SELECT name FROM author) (SELECT title FROM book)",
            "SELECT count(*) FROM (SELECT title FROM book) (SELECT name FROM author)",
            True,
        ),
        # A connective where a condition belongs: it stops there, too.
        (
            "SELECT name FROM author WHERE born = 1",
            "SELECT name FROM author WHERE born = 1 born = 2 and born = 3",
            False,
        ),
    ],
)
def test_plain_cases(gold: str, predicted: str, expected: bool) -> None:
    assert exact_set_match(gold, predicted, LIBRARY) is expected


@pytest.mark.parametrize(
    "predicted",
    [
        "",
        "\0",
        "(" * 50_000,
        "SELECT name FROM author WHERE born IN " + "(SELECT born FROM author WHERE born IN " * 3_000,
        "SELECT name FROM (" * 20_000,
        "SELECT name FROM author WHERE name = '" + "x" * 2_000_000 + "'",
        ". ) " * 100_000,
        "'" * 100_000,
    ],
    ids=["empty", "nul", "brackets", "deep", "deep in FROM", "huge", "full stops", "quotes"],
)
def test_hostile_text_is_only_wrong(predicted: str) -> None:
    assert exact_set_match("SELECT name FROM author", predicted, LIBRARY) is False


WORDS = "SELECT name born author book FROM WHERE ( ) = > , . 'x' 1 AND OR NOT IN UNION GROUP BY AS T1 T1.name * ; count"


@settings(deadline=None)  # the first call imports sqlglot
@given(st.text() | st.lists(st.sampled_from(WORDS.split())).map(" ".join))
def test_no_text_raises(sql: str) -> None:
    assert exact_set_match("SELECT name FROM author", sql, LIBRARY) in (True, False)
    assert exact_set_match(sql, sql, LIBRARY) in (True, False)
    assert hardness(sql) in ("easy", "medium", "hard", "extra", "unknown")
