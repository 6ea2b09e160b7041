"""Another try for answers that do not run, with a model that says what it is told to say."""

from collections.abc import Sequence
from typing import Any

import pytest

from text2sql_lightning.inference.generation import Generation
from text2sql_lightning.inference.generator import Generator
from text2sql_lightning.inference.voting import databases_for_prompt, runs
from text2sql_lightning.modeling.settings import GenerationSettings
from text2sql_lightning.text.prompts import INSTRUCTION, build_prompt, format_input

pytestmark = pytest.mark.unit

PROMPT = build_prompt(INSTRUCTION, format_input("CREATE TABLE singer (name VARCHAR, age INTEGER)", "How old is Ann?"))
RIGHT, WRONG = "SELECT age FROM singer WHERE name = 'Ann'", "SELECT height FROM singer"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (RIGHT, True),
        (WRONG, False),
        ("SELECT age FROM singers", False),
        ("SELECT age FROM", False),
        ("DROP TABLE singer", False),
        ("SELECT 1 / 0", True),
    ],
)
def test_what_runs_on_the_schema_of_a_prompt(sql: str, expected: bool) -> None:
    assert runs(sql, databases_for_prompt(PROMPT, [sql], "first_executable"), 5.0) is expected


class ScriptedEngine:
    """Has answers ready, call by call."""

    tokenizer: Any = None
    max_positions = None

    def __init__(self, *calls: list[list[str]]) -> None:
        self.calls = list(calls)
        self.asked: list[tuple[int, GenerationSettings]] = []

    def samples(
        self, prompts: Sequence[str], settings: GenerationSettings, progress: bool = False
    ) -> list[list[Generation]]:
        self.asked.append((len(prompts), settings))
        return [[Generation(sql, sql, (1,), True) for sql in answers] for answers in self.calls.pop(0)]


def answers(engine: ScriptedEngine, settings: GenerationSettings, prompt: str = PROMPT) -> list[str]:
    return [answer.sql for answer in Generator(engine).generate([prompt] * len(engine.calls[0]), settings)]


@pytest.mark.parametrize("prompt", ["How old is Ann?", PROMPT.replace("CREATE TABLE", "BUILD")])
def test_without_a_schema_nothing_is_known_and_nothing_asked_again(prompt: str) -> None:
    engine = ScriptedEngine([[WRONG]])
    assert answers(engine, GenerationSettings(retries=3), prompt) == [WRONG]


def test_a_choice_between_samples() -> None:
    settings = GenerationSettings(num_samples=3, temperature=0.5, choice="first_executable")
    ((best, found),) = Generator(ScriptedEngine([[WRONG, RIGHT, WRONG]])).answer([PROMPT], settings)
    assert (best.sql, [answer.sql for answer in found]) == (RIGHT, [WRONG, RIGHT, WRONG])


def test_the_first_that_runs_takes_the_place_of_what_does_not() -> None:
    other = "SELECT MAX(age) FROM singer"
    engine = ScriptedEngine([[RIGHT], [WRONG], [""], [WRONG]], [[WRONG, other, RIGHT], [WRONG, "", WRONG]])
    found = answers(engine, GenerationSettings(retries=3, seed=7, batch_size=5))
    assert found == [RIGHT, other, "", WRONG]
    (all_prompts, _), (failing, settings) = engine.asked
    assert (all_prompts, failing) == (4, 2)
    assert settings == GenerationSettings(temperature=0.5, num_samples=3, seed=8, batch_size=5)


def test_a_temperature_that_is_given_holds() -> None:
    engine = ScriptedEngine([[WRONG]], [[RIGHT]])
    assert answers(engine, GenerationSettings(retries=1, temperature=1.2, top_p=0.9)) == [RIGHT]
    assert engine.asked[1][1] == GenerationSettings(temperature=1.2, top_p=0.9, seed=1)


@pytest.mark.parametrize(("sql", "retries"), [(WRONG, 0), (RIGHT, 3), ("", 3)])
def test_nothing_is_asked_again_in_vain(sql: str, retries: int) -> None:
    engine = ScriptedEngine([[sql]])
    assert answers(engine, GenerationSettings(retries=retries)) == [sql]
    assert len(engine.asked) == 1
