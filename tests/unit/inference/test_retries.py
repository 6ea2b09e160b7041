"""Another try for answers that do not run, with a model that says what it is told to say."""

from collections.abc import Sequence
from typing import Any

import pytest

from text2sql_lightning.inference import generation
from text2sql_lightning.inference.generation import Generation, generate_sql
from text2sql_lightning.inference.voting import runs_on_schema
from text2sql_lightning.modeling.settings import GenerationSettings
from text2sql_lightning.text.prompts import INSTRUCTION, build_prompt, format_input

pytestmark = pytest.mark.unit

PROMPT = build_prompt(INSTRUCTION, format_input("CREATE TABLE singer (name VARCHAR, age INTEGER)", "How old is Ann?"))
RIGHT, WRONG = "SELECT age FROM singer WHERE name = 'Ann'", "SELECT height FROM singer"


@pytest.mark.parametrize(
    ("sql", "runs"),
    [
        (RIGHT, True),
        (WRONG, False),
        ("SELECT age FROM singers", False),
        ("SELECT age FROM", False),
        ("DROP TABLE singer", False),
        ("SELECT 1 / 0", True),
    ],
)
def test_what_runs_on_the_schema_of_a_prompt(sql: str, runs: bool) -> None:
    assert runs_on_schema(sql, PROMPT) is runs


@pytest.mark.parametrize("prompt", ["How old is Ann?", PROMPT.replace("CREATE TABLE", "BUILD")])
def test_nothing_runs_without_a_schema(prompt: str) -> None:
    assert not runs_on_schema("SELECT 1", prompt)


class Model:
    """Has answers ready, call by call."""

    def __init__(self, *calls: list[list[str]]) -> None:
        self.calls = list(calls)
        self.asked: list[tuple[int, GenerationSettings]] = []

    def generate(
        self, model: Any, tokenizer: Any, prompts: Sequence[str], settings: GenerationSettings, progress: bool = False
    ) -> list[list[Generation]]:
        self.asked.append((len(prompts), settings))
        return [[Generation(sql, sql, (1,), True) for sql in answers] for answers in self.calls.pop(0)]


def answers(monkeypatch: pytest.MonkeyPatch, model: Model, settings: GenerationSettings) -> list[str]:
    monkeypatch.setattr(generation, "generate_samples", model.generate)
    return [answer.sql for answer in generate_sql(None, None, [PROMPT] * len(model.calls[0]), settings)]


def test_the_first_that_runs_takes_the_place_of_what_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    other = "SELECT MAX(age) FROM singer"
    model = Model([[RIGHT], [WRONG], [""], [WRONG]], [[WRONG, other, RIGHT], [WRONG, "", WRONG]])
    found = answers(monkeypatch, model, GenerationSettings(retries=3, seed=7, batch_size=5))
    assert found == [RIGHT, other, "", WRONG]
    (all_prompts, _), (failing, settings) = model.asked
    assert (all_prompts, failing) == (4, 2)
    assert settings == GenerationSettings(temperature=0.5, num_samples=3, seed=8, batch_size=5)


def test_a_temperature_that_is_given_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model([[WRONG]], [[RIGHT]])
    assert answers(monkeypatch, model, GenerationSettings(retries=1, temperature=1.2, top_p=0.9)) == [RIGHT]
    assert model.asked[1][1] == GenerationSettings(temperature=1.2, top_p=0.9, seed=1)


@pytest.mark.parametrize(("sql", "retries"), [(WRONG, 0), (RIGHT, 3), ("", 3)])
def test_nothing_is_asked_again_in_vain(monkeypatch: pytest.MonkeyPatch, sql: str, retries: int) -> None:
    model = Model([[sql]])
    assert answers(monkeypatch, model, GenerationSettings(retries=retries)) == [sql]
    assert len(model.asked) == 1
