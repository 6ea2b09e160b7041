"""A small folder in Spider's format, made here, with verdicts that were worked out by hand."""

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.benchmarks.spider import load_spider
from text2sql_lightning.errors import DataError
from text2sql_lightning.evaluation.spider.score import SpiderVerdict, score_spider

pytestmark = pytest.mark.integration

DDL = """
CREATE TABLE shop (id INTEGER PRIMARY KEY, name TEXT, city TEXT, opened INTEGER);
CREATE TABLE sale (id INTEGER PRIMARY KEY, shop_id INTEGER REFERENCES shop (id), amount REAL, day TEXT);
"""
ROWS = """
INSERT INTO shop VALUES (1, 'Ada', 'Oslo', 1999), (2, 'Bo', 'Rome', 2005), (3, 'Cy', 'Oslo', 2011);
INSERT INTO sale VALUES (1, 1, 10, 'Mon'), (2, 1, 5, 'Tue'), (3, 2, 7.5, 'Mon'), (4, 3, 10, CAST(x'ff4d' AS TEXT));
"""
OTHER_ROWS = """
INSERT INTO shop VALUES (1, 'Ada', 'Bonn', 2011), (2, 'Ada', 'Bonn', 1999);
INSERT INTO sale VALUES (1, 2, 3, 'Mon'), (2, 2, 3, 'Mon');
"""
TABLES = [
    {
        "db_id": "shops",
        "table_names_original": ["shop", "sale"],
        "table_names": ["shop", "sale"],
        "column_names_original": [
            [-1, "*"],
            [0, "id"],
            [0, "name"],
            [0, "city"],
            [0, "opened"],
            [1, "id"],
            [1, "shop_id"],
            [1, "amount"],
            [1, "day"],
        ],
        "column_names": [
            [-1, "*"],
            [0, "id"],
            [0, "name"],
            [0, "city"],
            [0, "opened"],
            [1, "id"],
            [1, "shop id"],
            [1, "amount"],
            [1, "day"],
        ],
        "column_types": ["text", "number", "text", "text", "number", "number", "number", "number", "text"],
        "primary_keys": [1, 5],
        "foreign_keys": [[6, 1]],
    }
]

NAMES = "SELECT name FROM shop"
OLDEST = "SELECT name FROM shop ORDER BY opened LIMIT 1"
NONE = "SELECT name FROM shop WHERE opened > 3000"
COUNT = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
BILLION = "SELECT count(*) FROM " + ", ".join(f"sale AS s{i}" for i in range(16))
HUNG = "SELECT instr(hex(zeroblob(4900000)), hex(zeroblob(2400000)) || '1')"

# gold, predicted, exec, exec_suite, error
CASES: list[tuple[str, str, bool, bool, str | None]] = [
    (NAMES, "select T1.name from shop as T1", True, True, None),
    (NAMES, "SELECT DISTINCT name FROM shop", True, True, None),
    (NAMES, "SELECT name FROM shop GROUP BY name", True, False, None),
    (NAMES, "SELECT name FROM shop ORDER BY opened DESC;", True, True, None),
    (NAMES, "SELECT name, city FROM shop", False, False, None),
    (NAMES, "SELECT upper(name) FROM shop", False, False, None),
    (NAMES, "SELECT name FROM shop WHERE city = 'Oslo'", False, False, None),
    (NAMES, "SELECT name FROM shop UNION ALL SELECT name FROM shop", False, False, None),
    (NAMES, "SELECT name FROM shop; DROP TABLE shop", True, True, None),
    (NAMES, "", False, False, "empty"),
    (NAMES, "SELECT nmae FROM shop", False, False, "unknown_column"),
    (NAMES, "SELECT name FROM shops", False, False, "unknown_table"),
    (NAMES, "SELECT name FORM shop", False, False, "syntax"),
    (OLDEST, "SELECT name FROM shop ORDER BY id LIMIT 1", True, True, None),
    (OLDEST, "SELECT name FROM shop WHERE opened = (SELECT min(opened) FROM shop)", True, True, None),
    ("SELECT name, city FROM shop ORDER BY opened", "SELECT city, name FROM shop ORDER BY opened", True, True, None),
    ("SELECT name FROM shop ORDER BY opened", "SELECT name FROM shop ORDER BY -opened", False, False, None),
    ("SELECT city, count(*) FROM shop GROUP BY 1", "SELECT count(*), city FROM shop GROUP BY city", True, True, None),
    ("SELECT count(*) FROM shop", "SELECT total(1) FROM shop", True, True, None),
    ("SELECT count(DISTINCT city) FROM shop", "SELECT count(city) FROM shop", True, True, None),
    ("SELECT avg(amount) FROM sale", "SELECT sum(amount) / count(*) FROM sale", True, True, None),
    ("SELECT name FROM shop WHERE opened > 2000", "SELECT name FROM shop WHERE opened > = 2001", True, True, None),
    ("SELECT day FROM sale", "SELECT day FROM sale AS s", True, True, None),
    (NONE, "SELECT city FROM shop WHERE opened > 4000", True, True, None),
    ("SELECT 1 FROM shop", "SELECT value FROM shop", True, True, None),
    (NONE, "DROP TABLE shop", False, False, "refused"),
    (NONE, "INSERT INTO shop VALUES (9, 'x', 'y', 1)", False, False, "refused"),
    (NONE, "DELETE FROM shop", False, False, "refused"),
    (NONE, "ATTACH 'new.sqlite' AS n", False, False, "refused"),
    (NONE, "VACUUM INTO 'new.sqlite'", False, False, "refused"),
    (NONE, "PRAGMA user_version = 7", False, False, "refused"),
    (NONE, "SELECT load_extension('x')", False, False, "refused"),
    (NONE, COUNT + "SELECT count(*) FROM c", False, False, "timeout"),
    (NONE, BILLION, False, False, "timeout"),
    (NONE, "SELECT '" + "x" * 100_000_000 + "'", False, False, "too_large"),
    (NONE, "SELECT " + "(" * 5_000 + "1" + ")" * 5_000, False, False, "too_large"),
    (NONE, "SELECT 'a\0b'", False, False, "syntax"),
    (NONE, "SELECT '\udcff'", False, False, "syntax"),
    ("SELECT nothing FROM shop", "SELECT name FROM shop", False, False, "gold_failed"),
]


def make_database(path: Path, rows: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(DDL + rows)
    connection.close()


def make_spider(folder: Path, queries: list[tuple[str, str]]) -> Path:
    """Write a Spider folder; queries are (database, gold)."""
    make_database(folder / "database" / "shops" / "shops.sqlite", ROWS)
    make_database(folder / "suite" / "shops" / "shops.sqlite", ROWS)
    make_database(folder / "suite" / "shops" / "shops_other.sqlite", OTHER_ROWS)
    dev = [{"db_id": db_id, "question": f"Question {i}?", "query": gold} for i, (db_id, gold) in enumerate(queries)]
    (folder / "dev.json").write_text(json.dumps(dev))
    names = sorted({db_id for db_id, _ in queries} | {"shops"})
    (folder / "tables.json").write_text(json.dumps([TABLES[0] | {"db_id": name} for name in names]))
    return folder


def fingerprints(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def score(folder: Path, predictions: list[str], **settings: Any) -> list[SpiderVerdict]:
    spider = load_spider(folder)
    settings = {"database_dir": folder / "database", "test_suite_dir": folder / "suite"} | settings
    return score_spider(spider.examples, predictions, spider.schemas, **settings)


def test_every_case_has_its_verdict_and_no_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_spider(tmp_path / "spider", [("shops", case[0]) for case in CASES])
    monkeypatch.chdir(tmp_path)
    before = fingerprints(tmp_path)
    verdicts = score(folder, [case[1] for case in CASES], timeout_s=0.2, workers=2)
    found = [(verdict.exec, verdict.exec_suite, verdict.error) for verdict in verdicts]
    for case, one in zip(CASES, found, strict=True):
        assert one == case[2:], case[1][:80]
    assert [verdict.index for verdict in verdicts] == list(range(len(CASES)))
    assert fingerprints(tmp_path) == before


def test_a_query_that_takes_its_process_down_costs_its_own_verdict(tmp_path: Path) -> None:
    folder = make_spider(tmp_path, [("shops", NAMES)] * 3)
    verdicts = score(folder, [NAMES, HUNG, NAMES], timeout_s=0.01, test_suite_dir=None)
    assert [(one.exec, one.exec_suite, one.exact, one.error) for one in verdicts] == [
        (True, None, True, None),
        (False, None, False, "timeout"),
        (True, None, True, None),
    ]


def test_a_missing_or_broken_database_costs_its_own_examples(tmp_path: Path) -> None:
    folder = make_spider(tmp_path, [("gone", NAMES), ("shops", NAMES), ("broken", NAMES)])
    (folder / "database" / "broken").mkdir()
    (folder / "database" / "broken" / "broken.sqlite").write_bytes(b"no database" * 1000)
    verdicts = score(folder, [NAMES] * 3, test_suite_dir=None)
    assert [(one.exec, one.error) for one in verdicts] == [(False, "no_database"), (True, None), (False, "no_database")]
    assert not (folder / "database" / "gone").exists()


def test_verdicts_that_need_databases_are_none_without(tmp_path: Path) -> None:
    folder = make_spider(tmp_path, [("shops", NAMES), ("shops", OLDEST)])
    verdicts = score(folder, ["SELECT name FROM shop AS s", NAMES], database_dir=None, test_suite_dir=None)
    assert [(one.exec, one.exec_suite, one.exact, one.hardness, one.error) for one in verdicts] == [
        (None, None, True, "easy", None),
        (None, None, False, "medium", None),
    ]


def test_the_number_of_workers_changes_no_verdict(tmp_path: Path) -> None:
    cases = [case for case in CASES if case[4] not in ("timeout", "too_large")]
    folder = make_spider(tmp_path, [("shops", case[0]) for case in cases])
    predictions = [case[1] for case in cases]
    one, three = (score(folder, predictions, workers=workers) for workers in (1, 3))
    assert [(v.exec, v.exec_suite, v.exact, v.hardness, v.error) for v in one] == [
        (v.exec, v.exec_suite, v.exact, v.hardness, v.error) for v in three
    ]


def test_examples_and_schemas_are_read(tmp_path: Path) -> None:
    spider = load_spider(make_spider(tmp_path, [("shops", NAMES), ("shops", OLDEST)]))
    assert [(one.index, one.db_id, one.question, one.gold) for one in spider.examples] == [
        (0, "shops", "Question 0?", NAMES),
        (1, "shops", "Question 1?", OLDEST),
    ]
    assert [table.name for table in spider.schemas["shops"].tables] == ["shop", "sale"]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("dev.json", None, "No such file"),
        ("dev.json", "{", "is not JSON"),
        ("dev.json", "{}", "a list of objects is expected"),
        ("dev.json", '[{"db_id": "shops", "question": "?"}]', "entry 0, field query: missing"),
        ("dev.json", '[{"db_id": "other", "question": "?", "query": "SELECT 1"}]', "asks database 'other'"),
        ("tables.json", "[{}]", "entry 0, field db_id: missing"),
        ("tables.json", '[{"db_id": "shops"}]', "is malformed"),
    ],
)
def test_a_folder_with_a_mistake_is_an_error(tmp_path: Path, file: str, text: str | None, message: str) -> None:
    folder = make_spider(tmp_path, [("shops", NAMES)])
    (folder / file).unlink()
    if text is not None:
        (folder / file).write_text(text)
    with pytest.raises(DataError, match=message):
        load_spider(folder)


def test_mistakes_are_found_before_anything_runs(tmp_path: Path) -> None:
    folder = make_spider(tmp_path, [("shops", NAMES)])
    with pytest.raises(DataError, match="2 predictions for 1 examples"):
        score(folder, [NAMES, NAMES])
    with pytest.raises(DataError, match="no folder"):
        score(folder, [NAMES], test_suite_dir=folder / "none")
    with pytest.raises(DataError, match="no schema for database 'shops'"):
        score_spider(load_spider(folder).examples, [NAMES], {}, database_dir=None, test_suite_dir=None)
