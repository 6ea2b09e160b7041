import sqlite3
from pathlib import Path

import pytest

from text2sql_lightning.evaluation.spider.rules import Pair, agreements

pytestmark = pytest.mark.unit


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two databases: in the first every shop is in Oslo, in the second one is not."""
    paths = [tmp_path / "a.sqlite", tmp_path / "b.sqlite"]
    for path, city in zip(paths, ["Oslo", "Rome"], strict=True):
        connection = sqlite3.connect(path)
        connection.executescript(
            "CREATE TABLE shop (id INTEGER, name TEXT, city TEXT);"
            f"INSERT INTO shop VALUES (1, 'Ada', 'Oslo'), (2, 'Bo', 'Oslo'), (3, 'Cy', '{city}')"
        )
        connection.close()
    return paths


def agree(files: list[Path], gold: str, predicted: str, ordered: bool = False) -> tuple[bool, str | None]:
    (found,) = agreements(files, [Pair(gold, predicted, ordered)], timeout_s=1.0)
    return found.agrees, found.error


@pytest.mark.parametrize(
    ("gold", "predicted", "ordered", "first", "both"),
    [
        ("SELECT name FROM shop", "select NAME from Shop", False, True, True),
        ("SELECT name, id FROM shop", "SELECT id, name FROM shop ORDER BY id DESC", False, True, True),
        ("SELECT name FROM shop ORDER BY id", "SELECT name FROM shop ORDER BY id DESC", True, False, False),
        ("SELECT name FROM shop", "SELECT name FROM shop WHERE city = 'Oslo'", False, True, False),
        ("SELECT name FROM shop WHERE id > 9", "SELECT city FROM shop WHERE id > 8", False, True, True),
        ("SELECT city FROM shop", "SELECT city FROM shop UNION SELECT city FROM shop", False, False, False),
        # only the first rows are read, and they tell enough
        ("SELECT 1", "WITH c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c", False, False, False),
    ],
)
def test_all_files_must_agree(
    files: list[Path], gold: str, predicted: str, ordered: bool, first: bool, both: bool
) -> None:
    assert agree(files[:1], gold, predicted, ordered) == (first, None)
    assert agree(files, gold, predicted, ordered) == (both, None)


@pytest.mark.parametrize(
    ("gold", "predicted", "error"),
    [
        ("SELECT name FROM shop", "SELECT nme FROM shop", "unknown_column"),
        ("SELECT name FROM shop", "DROP TABLE shop", "refused"),
        ("SELECT name FROM shop WHERE id > 9", "DELETE FROM shop", "refused"),
        ("SELECT name FROM shop WHERE id > 9", "", "empty"),
        ("SELECT nme FROM shop", "SELECT name FROM shop", "gold_failed"),
        ("SELECT nme FROM shop", "SELECT nme FROM shop", "gold_failed"),
    ],
)
def test_an_error_agrees_with_nothing(files: list[Path], gold: str, predicted: str, error: str) -> None:
    assert agree(files, gold, predicted) == (False, error)


def test_each_pair_has_its_own_verdict_and_time(files: list[Path]) -> None:
    right, wrong = Pair("SELECT id FROM shop", "SELECT id FROM shop s", False), Pair("SELECT id FROM shop", "x", False)
    found = agreements(files, [right, wrong, right, wrong], timeout_s=1.0)
    assert [(one.agrees, one.error) for one in found] == [(True, None), (False, "syntax")] * 2
    assert found[0].seconds > 0


def test_a_database_that_is_not_there_or_broken_settles_what_is_left(files: list[Path]) -> None:
    assert agree([], "SELECT 1", "SELECT 1") == (False, "no_database")
    missing = [*files[:1], files[0].with_name("none.sqlite")]
    pairs = [Pair("SELECT 1", "SELECT 1", False), Pair("SELECT 1", "SELECT 2", False)]
    found = agreements(missing, pairs, timeout_s=1.0)
    assert [(one.agrees, one.error) for one in found] == [(False, "no_database"), (False, None)]
    files[1].write_bytes(b"no database" * 500)
    assert agree(files, "SELECT 1", "SELECT 1") == (False, "no_database")
    assert {file.name for file in files[0].parent.iterdir()} == {"a.sqlite", "b.sqlite"}
