import pytest

from text2sql_lightning.evaluation.results import figures_by_source, group_by_source, is_executed

pytestmark = pytest.mark.unit


def test_sources_get_figures_of_their_own() -> None:
    rows = [("b-mc2/sql-create-context", True), ("shop.sqlite", False), ("shop.sqlite", True)]
    assert group_by_source(rows, lambda row: row[0]) == {
        "b-mc2-sql-create-context": rows[:1],
        "shop.sqlite": rows[1:],
    }
    figures = figures_by_source(
        rows, lambda row: row[0], lambda group: {"execution_accuracy": sum(right for _, right in group) / len(group)}
    )
    assert figures == {
        "execution_accuracy/b-mc2-sql-create-context": 1.0,
        "execution_accuracy/shop.sqlite": 0.5,
    }


def test_one_source_has_the_figures_of_the_whole() -> None:
    assert figures_by_source(["x", "x"], lambda row: "a", lambda group: {"n": len(group)}) == {}
    assert group_by_source([], str) == {}
    assert list(group_by_source(["", "//"], str)) == []


def test_only_sqlite_is_executed() -> None:
    assert is_executed({})
    assert is_executed({"dialect": "sqlite"})
    assert not is_executed({"dialect": "postgres"})
