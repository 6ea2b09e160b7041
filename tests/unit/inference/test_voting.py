"""Which of several answers counts, without the right one."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.inference.voting import (
    choose,
    databases_for,
    databases_for_prompt,
    runs,
    vote,
)
from text2sql_lightning.sql.execution import Execution
from text2sql_lightning.text.prompts import INSTRUCTION, build_prompt, format_input, schema_in_prompt

pytestmark = pytest.mark.unit

CONTEXT = "CREATE TABLE singer (name VARCHAR, age INTEGER)"


def ran(*rows: Any) -> list[Execution]:
    return [Execution([tuple(row) for row in rows], ("a",), None, 0.0)]


def failed() -> list[Execution]:
    return [Execution((), (), "syntax", 0.0)]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "singers.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(CONTEXT)
        connection.executemany("INSERT INTO singer VALUES (?, ?)", [("Ann", 30), ("Bob", 20), ("Cy", 40)])
    connection.close()
    return path


@pytest.mark.parametrize(
    ("results", "ordered", "winner"),
    [
        ([ran([1]), ran([2]), ran([2])], [False] * 3, 1),
        ([ran([1]), ran([2])], [False] * 2, 0),  # a tie goes to the first
        ([failed(), failed(), ran([3])], [False] * 3, 2),  # failures have no vote, however many
        ([failed(), failed()], [False] * 2, 0),
        ([ran([9]), ran([1], [2]), ran([2], [1])], [False] * 3, 1),  # a bag of rows
        ([ran([9]), ran([1], [2]), ran([2], [1])], [True] * 3, 0),
        ([ran([9]), ran([1], [2]), ran([2], [1])], [True, True, False], 1),  # one of the two asked for no order
        ([ran([9, 9]), ran([1, "x"]), ran(["x", 1])], [False] * 3, 1),  # columns may change places
        ([ran([1]), ran([1], [1]), ran([1], [1])], [False] * 3, 1),  # how often a row occurs counts
        ([[*ran([1]), *ran([1])], [*ran([2]), *failed()], [*ran([2]), *ran([3])]], [False] * 3, 0),
        ([], [], 0),
    ],
)
def test_vote(results: Any, ordered: Any, winner: int) -> None:
    assert vote(results, ordered) == winner


def test_vote_on_a_database(database: Path) -> None:
    answers = [
        "SELECT name FROM singer WHERE age > 100",
        "SELECT nam FROM singer",
        "SELECT name FROM singer ORDER BY age DESC LIMIT 1",
        "SELECT name FROM singer WHERE age = (SELECT MAX(age) FROM singer)",
    ]
    assert choose(answers, [database], "vote") == 2
    assert choose(answers, [database], "first") == 0
    assert choose(answers[1:], [database], "first_executable") == 1
    assert choose(answers[1:2] * 2, [database], "first_executable") == 0
    assert choose(answers, [], "vote") == 0


def test_hostile_answers_have_no_vote(database: Path) -> None:
    before = database.read_bytes()
    answers = ["DROP TABLE singer", "DROP TABLE singer", "ATTACH 'x' AS y", "", "SELECT 1; SELECT 2", "SELECT 7"]
    assert choose(answers, [database], "vote") == 5
    assert choose(answers, [database], "first_executable") == 5
    assert database.read_bytes() == before


def test_vote_on_the_schema_alone() -> None:
    answers = [
        "SELECT COUNT(*) FROM singer",
        "SELECT name FROM singer WHERE age > 30",
        "SELECT name FROM singr WHERE age > 30",
        "SELECT T1.name FROM singer AS T1 WHERE 30 < T1.age",
        "SELECT name FROM singer WHERE age >= 30",
    ]
    databases = databases_for(CONTEXT, answers)
    assert len(databases) == 8
    assert databases == databases_for(CONTEXT, answers)
    assert choose(answers, databases, "vote") == 1
    assert databases_for(CONTEXT, ["SELECT x FROM y", "nonsense"]) == []


def test_prompts_bring_their_schema() -> None:
    prompt = build_prompt(INSTRUCTION, format_input(CONTEXT, "Who is 30?"))
    assert schema_in_prompt(prompt) == CONTEXT
    answers = ["SELECT nam FROM singer", "SELECT name FROM singer"]
    databases = databases_for_prompt(prompt, answers, "first_executable")
    assert choose(answers, databases, "first_executable") == 1
    assert schema_in_prompt("Hello") == ""
    assert databases_for_prompt("Hello", ["SELECT 1", "SELECT 2", "SELECT 2"], "vote") == []


def test_only_a_vote_needs_rows() -> None:
    answers = ["SELECT name FROM singer WHERE age > 30", "SELECT name FROM singer WHERE age >= 30"]
    prompt = build_prompt(INSTRUCTION, format_input(CONTEXT, "Who is 30?"))
    (empty,) = databases_for_prompt(prompt, answers, "first_executable")
    assert runs(answers[0], [empty], 1.0)
    assert not runs("SELECT height FROM singer", [empty], 1.0)
    assert databases_for_prompt(prompt, answers, "vote") == databases_for(CONTEXT, answers)
    assert len(databases_for(CONTEXT, answers)) > 1
    assert databases_for_prompt(prompt.replace("CREATE TABLE", "BUILD"), answers, "first_executable") == []
