"""Numbers that make no sense are refused by name."""

from typing import Any

import pytest

from text2sql_lightning.errors import ConfigError
from text2sql_lightning.modeling.settings import GenerationSettings, LoraSettings, check_lora, check_numbers

pytestmark = pytest.mark.unit

GOOD = {"learning_rate": 2e-4, "warmup_steps": 50, "weight_decay": 0.0, "max_seq_length": 2048}


def test_defaults_are_those_of_the_documents() -> None:
    assert LoraSettings() == LoraSettings(
        r=16,
        alpha=16,
        dropout=0.0,
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    )
    check_lora(LoraSettings())
    check_lora(None)
    check_numbers(GenerationSettings(), **GOOD)
    check_numbers(GenerationSettings(max_new_tokens=1, batch_size=1), **{**GOOD, "warmup_steps": 0})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"r": 0}, "model.lora.r is 0; it must be at least 1"),
        ({"r": -8}, "model.lora.r is -8"),
        ({"alpha": 0}, "model.lora.alpha is 0"),
        ({"dropout": 1.0}, "model.lora.dropout is 1.0; it must be at least 0 and below 1"),
        ({"dropout": -0.1}, "model.lora.dropout is -0.1"),
        ({"target_modules": []}, "model.lora.target_modules is empty"),
        ({"lr_ratio": 0.0}, "model.lora.lr_ratio is 0.0; it must be a number above 0"),
        ({"lr_ratio": float("nan")}, "model.lora.lr_ratio is nan"),
    ],
)
def test_wrong_adapter(wrong: Any, words: Any) -> None:
    with pytest.raises(ConfigError, match=words):
        check_lora(LoraSettings(**wrong))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"learning_rate": 0.0}, "model.learning_rate is 0.0; it must be a number above 0"),
        ({"learning_rate": -1.0}, "model.learning_rate is -1.0"),
        ({"learning_rate": float("nan")}, "model.learning_rate is nan"),
        ({"learning_rate": float("inf")}, "model.learning_rate is inf"),
        ({"weight_decay": -0.1}, "model.weight_decay is -0.1"),
        ({"warmup_steps": -1}, "model.warmup_steps is -1; it must be at least 0"),
        ({"max_seq_length": 1}, "model.max_seq_length is 1; it must be at least 2"),
    ],
)
def test_wrong_number(wrong: Any, words: Any) -> None:
    with pytest.raises(ConfigError, match=words):
        check_numbers(GenerationSettings(), **{**GOOD, **wrong})


def test_wrong_generation() -> None:
    with pytest.raises(ConfigError, match=r"model.generation.max_new_tokens is 0"):
        check_numbers(GenerationSettings(max_new_tokens=0), **GOOD)
    with pytest.raises(ConfigError, match=r"model.generation.batch_size is -1"):
        check_numbers(GenerationSettings(batch_size=-1), **GOOD)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"num_beams": 0}, "model.generation.num_beams is 0; it must be at least 1"),
        ({"num_samples": 0}, "model.generation.num_samples is 0; it must be at least 1"),
        ({"temperature": -0.1}, "model.generation.temperature is -0.1; it must be 0 or a number above 0"),
        ({"temperature": float("nan")}, "model.generation.temperature is nan"),
        ({"top_p": 0.0}, "model.generation.top_p is 0.0; it must be above 0 and at most 1"),
        ({"top_p": 1.1}, "model.generation.top_p is 1.1"),
        ({"choice": "best"}, "model.generation.choice is best; it must be one of first, vote, first_executable"),
        ({"num_samples": 2}, "model.generation.num_samples is 2 with model.generation.temperature 0"),
        ({"num_beams": 2, "temperature": 1.0}, "model.generation.num_beams is 2: beams look for"),
        ({"retries": -1}, "model.generation.retries is -1; it must be 0 or more"),
        (
            {"retries": 3, "num_samples": 2, "temperature": 0.5},
            "model.generation.retries is 3 with model.generation.num_s",
        ),
        ({"retries": 3, "num_beams": 4, "choice": "vote"}, "model.generation.retries is 3 with .*num_beams 4"),
        ({"choice": "vote"}, "model.generation.choice is vote with model.generation.num_samples 1"),
    ],
)
def test_wrong_ways_to_generate(wrong: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_numbers(GenerationSettings(**wrong), **GOOD)


def test_ways_to_generate() -> None:
    check_numbers(GenerationSettings(num_beams=4), **GOOD)
    check_numbers(GenerationSettings(num_beams=4, retries=2), **GOOD)
    check_numbers(GenerationSettings(num_beams=4, choice="first_executable"), **GOOD)
    check_numbers(GenerationSettings(temperature=0.8, top_p=0.9, num_samples=8, choice="vote"), **GOOD)


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ({}, 1),
        ({"num_beams": 4}, 1),  # only the most likely one is asked for
        ({"num_beams": 4, "choice": "first_executable"}, 4),
        ({"num_beams": 4, "choice": "vote"}, 4),
        ({"num_samples": 3, "temperature": 0.5}, 3),
        ({"num_samples": 3, "temperature": 0.5, "choice": "vote"}, 3),
    ],
)
def test_how_many_answers_there_are_to_choose_from(given: Any, number: int) -> None:
    assert GenerationSettings(**given).num_answers == number
