import random

import pytest

from sample.english import article, listing, plural, request, sentence

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("wine", "wines"),
        ("city", "cities"),
        ("day", "days"),
        ("dish", "dishes"),
        ("series", "series"),
        ("hire date", "hire dates"),
        ("fish", "fish"),
        ("duration in minutes", "durations in minutes"),
        ("price per night", "prices per night"),
    ],
)
def test_plural(one: str, many: str) -> None:
    assert plural(one) == many


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("name", "a name"),
        ("age", "an age"),
        ("hourly rate", "an hourly rate"),
        ("unit price", "a unit price"),
        ("user name", "a user name"),
        ("opening year", "an opening year"),
    ],
)
def test_article(phrase: str, expected: str) -> None:
    assert article(phrase) == expected


def test_listing() -> None:
    assert listing(["a"]) == "a"
    assert listing(["a", "b"]) == "a and b"
    assert listing(["a", "b", "c"], "or") == "a, b or c"


def test_requests_vary_and_end_as_sentences() -> None:
    rng = random.Random(0)
    wordings = {request(rng, "the names of all wines", many=True) for _ in range(300)}
    assert wordings == {
        "List the names of all wines.",
        "Show the names of all wines.",
        "Find the names of all wines.",
        "Give me the names of all wines.",
        "What are the names of all wines?",
    }
    assert "List the name." not in {request(rng, "the name", many=False) for _ in range(100)}


def test_sentence_starts_with_a_capital() -> None:
    assert sentence("which wine?") == "Which wine?"
