import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from text2sql_lightning.sql.hardness import hardness

pytestmark = pytest.mark.unit

SPIDER = Path(__file__).parents[4] / "shared" / "data" / "spider"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT a FROM t", "easy"),
        ("SELECT COUNT(*) FROM t WHERE a = 1", "easy"),
        ("SELECT a, b FROM t", "medium"),
        ("SELECT t.a FROM t JOIN u ON t.id = u.id WHERE u.b = 1", "medium"),
        ("SELECT a FROM t WHERE b = 1 AND c = 2", "medium"),
        ("SELECT a FROM t WHERE b = 1 OR c = 2", "medium"),
        ("SELECT a FROM t WHERE (b LIKE 'x' OR b LIKE 'y')", "extra"),
        ("SELECT a FROM t WHERE b > (SELECT AVG(b) FROM t)", "hard"),
        ("SELECT a FROM t WHERE NOT b IN (SELECT b FROM u)", "hard"),
        ("SELECT a FROM t EXCEPT SELECT a FROM u ORDER BY a LIMIT 3", "hard"),
        ("SELECT t.a FROM t JOIN u ON t.id = u.id GROUP BY t.a ORDER BY COUNT(*) DESC LIMIT 1", "extra"),
        ("SELECT a, b FROM t WHERE c = (SELECT MAX(c) FROM t) GROUP BY a", "extra"),
        ("SELECT a FROM", "unknown"),
        ("DROP TABLE t", "unknown"),
        ("", "unknown"),
        ("SELECT " + "(" * 5000 + "1" + ")" * 5000, "unknown"),
    ],
)
def test_ratings(sql: str, expected: str) -> None:
    assert hardness(sql) == expected


WORDS = ["SELECT", "a", ",", "FROM", "t", "WHERE", "(", ")", "=", "'x'", "AND", "OR", "UNION", "GROUP", "BY"]


@given(st.text() | st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_no_text_raises(sql: str) -> None:
    assert hardness(sql) in ("easy", "medium", "hard", "extra", "unknown")


@pytest.mark.skipif(not SPIDER.is_dir(), reason="needs the reference data beside the repository")
def test_spider_dev_is_rated_as_officially() -> None:
    examples = json.loads((SPIDER / "dev.json").read_text())
    lines = (SPIDER / "predictions" / "gold.reference.jsonl").read_text().splitlines()
    ratings = [hardness(example["query"]) for example in examples]
    assert ratings == [json.loads(line)["hardness"] for line in lines]
    assert Counter(ratings) == {"easy": 248, "medium": 446, "hard": 174, "extra": 166}
