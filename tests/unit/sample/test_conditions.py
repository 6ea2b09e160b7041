import itertools
import random
import re

import pytest

from sample.conditions import (
    Condition,
    between,
    date_condition,
    differs,
    equals,
    flagged,
    in_year,
    like,
    missing,
    noun_phrase,
    number_condition,
    one_of,
    quote,
    rounded,
    year_condition,
)
from sample.database import Value
from sample.schema import Column, make_column

pytestmark = pytest.mark.unit

COLOR = make_column("color", {"text": "red|dark blue|green"})
CITY = make_column("city", {"text": "Rome|Oslo|Paris", "at": "in"})
PRICE = make_column("price", {"number": (10, 99)})
GOALS = make_column("goals", {"count": (0, 40)})
BUILT = make_column("year", {"year": (1950, 2000)})
HIRED = make_column("hire_date", {"date": (2020, 2023)})
ONLINE = make_column("online", "flag")
DAYS = [f"202{y}-0{m}-11" for y in range(4) for m in range(1, 10)]


def _all_conditions(seed: int) -> list[Condition]:
    rng = random.Random(seed)
    numbers: list[Value] = list(range(10, 50))
    years: list[Value] = list(range(1950, 1990))
    days: list[Value] = list(DAYS)
    return [
        equals(rng, COLOR, COLOR.values),
        equals(rng, CITY, CITY.values),
        differs(rng, CITY, CITY.values),
        one_of(rng, CITY, CITY.values),
        like(rng, COLOR, COLOR.values),
        number_condition(rng, PRICE, numbers),
        number_condition(rng, GOALS, numbers),
        year_condition(rng, BUILT, years),
        date_condition(rng, HIRED, days),
        in_year(rng, HIRED, days),
        between(rng, PRICE, numbers),
        between(rng, GOALS, numbers),
        between(rng, HIRED, days),
        flagged(rng, ONLINE, [0, 1]),
    ]


def _literals(condition: Condition) -> list[str]:
    texts = re.findall(r"'%?(.*?)%?'", condition.sql.replace("'%Y'", ""))
    return texts or re.findall(r"-?\d+(?:\.\d+)?", condition.sql)


@pytest.mark.parametrize("seed", range(40))
def test_every_wording_names_every_literal(seed: int) -> None:
    for condition in _all_conditions(seed):
        if condition.column is ONLINE:
            continue
        for wording in (*condition.whose, *condition.having, *condition.behind, *condition.before):
            assert all(literal in wording for literal in _literals(condition)), (condition.sql, wording)


@pytest.mark.parametrize("seed", range(10))
def test_any_condition_and_any_pair_fits_around_a_noun(seed: int) -> None:
    rng = random.Random(seed)
    conditions = [*_all_conditions(seed), missing(rng, HIRED)]
    for condition in conditions:
        assert "cars" in noun_phrase(rng, "cars", [condition])
    for one, two in itertools.permutations(conditions, 2):
        assert "cars" in noun_phrase(rng, "cars", [one, two])


def test_wordings_of_a_noun_phrase() -> None:
    rng = random.Random(1)
    online = Condition("{} = 1", ONLINE, before=("online",))
    red = Condition("{} = 'red'", COLOR, whose=("color is red",))
    rome = Condition("{} = 'Rome'", CITY, whose=("city is Rome",), behind=("in the city Rome",))
    assert {noun_phrase(rng, "cars", [rome]) for _ in range(50)} == {"cars whose city is Rome", "cars in the city Rome"}
    assert {noun_phrase(rng, "cars", [rome, red]) for _ in range(200)} == {
        "cars whose city is Rome and whose color is red",
        "cars in the city Rome whose color is red",
    }
    assert {noun_phrase(rng, "cars", [online, rome]) for _ in range(200)} == {
        "online cars in the city Rome",
        "online cars whose city is Rome",
    }
    assert noun_phrase(rng, "cars", [red, rome], "or") == "cars whose color is red or whose city is Rome"


def test_every_wording_names_the_column() -> None:
    for condition in [*_all_conditions(1), missing(random.Random(1), HIRED)]:
        for wording in (*condition.whose, *condition.having, *condition.behind, *condition.before):
            assert (condition.column.counted or condition.column.phrase) in wording


def test_condition_for_an_alias() -> None:
    condition = Condition("{} > 20", PRICE)
    assert condition.on() == "price > 20"
    assert condition.on("T1") == "T1.price > 20"


def test_quote_doubles_quotes_inside_text() -> None:
    assert quote("Queen's Arch") == "'Queen''s Arch'"
    assert quote(3.5) == "3.5"


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        (make_column("a", {"number": (0, 9000)}), 1237.0, 1000),
        (make_column("a", {"number": (1, 5), "digits": 1}), 3.04, 3),
        (make_column("a", {"number": (1, 5), "digits": 1}), 3.14, 3.1),
        (make_column("a", {"number": (1, 9)}), 7.0, 7),
    ],
)
def test_numbers_are_named_at_round_steps(column: Column, value: float, expected: float) -> None:
    assert repr(rounded(column, value)) == repr(expected)


def test_missing_says_both_ways() -> None:
    conditions = {missing(random.Random(seed), HIRED).sql for seed in range(20)}
    assert conditions == {"{} IS NULL", "{} IS NOT NULL"}
