"""A small benchmark of our own, put in other words: how much of it is found, and what is taken for it by mistake."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from text2sql_lightning.prepare.decontaminate import Detector
from text2sql_lightning.prepare.normal_form import normal_query

pytestmark = pytest.mark.unit

BENCHMARK = [
    ("How many lighthouses were built before 1900?", "SELECT count(*) FROM lighthouse WHERE built < 1900"),
    (
        "What are the names of all lighthouses on the island of Skye?",
        "SELECT name FROM lighthouse WHERE island = 'Skye'",
    ),
    (
        "List the keepers who have served in at least two lighthouses.",
        "SELECT T1.name FROM keeper AS T1 JOIN service AS T2 ON T1.id = T2.keeper_id "
        "GROUP BY T1.id HAVING count(*) >= 2",
    ),
    ("Which lighthouse is the tallest?", "SELECT name FROM lighthouse ORDER BY height DESC LIMIT 1"),
    (
        "Show the average height of the lighthouses of each island.",
        "SELECT avg(height), island FROM lighthouse GROUP BY island",
    ),
    (
        "What are the names of keepers older than 60 who never served in a storm?",
        "SELECT name FROM keeper WHERE age > 60 AND id NOT IN (SELECT keeper_id FROM storm)",
    ),
    (
        "Find the ferries that connect Oban and Tiree.",
        "SELECT ferry_name FROM ferry WHERE harbour_from = 'Oban' AND harbour_to = 'Tiree'",
    ),
    (
        "What is the total number of passengers of ferries whose company is Calmac?",
        "SELECT sum(T1.passengers) FROM trip AS T1 JOIN ferry AS T2 ON T1.ferry_id = T2.id WHERE T2.company = 'Calmac'",
    ),
    (
        "Return the titles of books about whales, in alphabetical order.",
        "SELECT title FROM book WHERE subject = 'whales' ORDER BY title",
    ),
    (
        "How many different instruments does the violinist Ada Stern own?",
        "SELECT count(DISTINCT T1.instrument) FROM owns AS T1 JOIN musician AS T2 ON T1.mid = T2.id "
        "WHERE T2.full_name = 'Ada Stern'",
    ),
    (
        "Which orchards grow apples or pears?",
        "SELECT orchard FROM orchard WHERE fruit = 'apples' UNION SELECT orchard FROM orchard WHERE fruit = 'pears'",
    ),
    (
        "Give the beekeeper whose hives made the most honey in 2019.",
        "SELECT T1.name FROM beekeeper AS T1 JOIN harvest AS T2 ON T1.id = T2.keeper WHERE T2.year = 2019 "
        "ORDER BY T2.honey DESC LIMIT 1",
    ),
    (
        "What are the names and prices of kites that are cheaper than 20 euros?",
        "SELECT kite_name, price FROM kite WHERE price < 20",
    ),
    (
        "For each glacier, show its length and the country it lies in.",
        "SELECT glacier_name, length, country FROM glacier",
    ),
    (
        "How many potters have won a medal between 1990 and 2000?",
        "SELECT count(*) FROM medal WHERE craft = 'potter' AND year BETWEEN 1990 AND 2000",
    ),
]

UNRELATED = [
    ("How many windmills were built before 1900?", "SELECT count(*) FROM windmill WHERE built < 1900"),
    ("Which keeper is the oldest?", "SELECT name FROM goalkeeper ORDER BY age DESC LIMIT 1"),
    ("What is the tallest bridge?", "SELECT name FROM bridge ORDER BY height DESC LIMIT 1"),
    ("Who grows tomatoes?", "SELECT grower FROM table_name_3 WHERE crop = 'tomatoes'"),
    ("What are the names of all singers from Norway?", "SELECT name FROM singer WHERE country = 'Norway'"),
    ("What is the average weight of the pumpkins of each farm?", "SELECT avg(weight), farm FROM pumpkin GROUP BY farm"),
    ("Show kites sold on Monday.", "SELECT id FROM sale WHERE day = 'Monday'"),
    ("How many passengers took the train?", "SELECT sum(passengers) FROM train"),
    ("Name the player for Glasgow", "SELECT player FROM table_12_3 WHERE team = 'Glasgow'"),
    ("Return the titles of films about war.", "SELECT title FROM film WHERE subject = 'war' ORDER BY title"),
]


def other_half_first(text: str) -> str:
    words = text.rstrip("?.").split()
    return " ".join([*words[len(words) // 2 :], *words[: len(words) // 2]])


def with_slip(text: str) -> str:
    longest = max(re.findall(r"[a-z]+", text), key=len)
    return text.replace(longest, longest[:2] + longest[3] + longest[2] + longest[4:], 1)


QUESTIONS: dict[str, Callable[[str], str]] = {
    "punctuation": lambda q: f"  {q.upper().rstrip('?.')} !!",
    "opening": lambda q: re.sub(r"^(What (is|are)|Show|List|Find|Return|Give|Which)\b", "Could you tell me", q),
    "numbers": lambda q: re.sub(r"\d+", "77", q),
    "plural": lambda q: re.sub(r"\b([a-z]{4,})s\b", r"\1", q),
    "word order": other_half_first,
    "slip": with_slip,
}
QUERIES: dict[str, Callable[[str], str]] = {
    "case": str.upper,
    "literals": lambda s: re.sub(r"'[^']*'", '"something else"', re.sub(r"\b\d+\b", "5", s)),
    "aliases": lambda s: s.replace("T1", "a").replace("T2", "other"),
    "output names": lambda s: s.replace(" FROM", " AS result FROM", 1).replace("count(*)", "COUNT(1)"),
    "brackets": lambda s: re.sub(r"WHERE (.*?)(?= ORDER| UNION|$)", r"WHERE (\1)", s),
    "comparison": lambda s: re.sub(r"(\w+) < (\d+)", r"\2 > \1", s),
    "swapped conditions": lambda s: re.sub(r"WHERE (\S+ = '\w+') AND (\S+ = '\w+')", r"WHERE \2 AND \1", s),
    "swapped tables": lambda s: re.sub(r"FROM (\w+ AS \w+) JOIN (\w+ AS \w+)", r"FROM \2 JOIN \1", s),
    "spaces": lambda s: re.sub(r"([(),]|[<>]=?|=)", r"  \1 ", s) + " ;",
}
# The same answer by another way: found by the question.
REWRITTEN: dict[str, Callable[[str], str]] = {
    "outer query": lambda s: f"SELECT * FROM ({s}) AS inner_query",
    "more columns": lambda s: s.replace(" FROM", ", remarks FROM", 1),
    "one more condition": lambda s: f"{s} LIMIT 1" if "LIMIT" not in s else s.replace("LIMIT", "LIMIT 3 OFFSET"),
}


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    folder: Path = tmp_path_factory.mktemp("benchmark")
    entries = [{"db_id": "x", "question": question, "query": query} for question, query in BENCHMARK]
    (folder / "dev.json").write_text(json.dumps(entries))
    return Detector.for_spider([folder])


def found(detector: Detector, pairs: list[tuple[str, str]]) -> list[bool]:
    matches = [detector.find(question, normal_query(query)) for question, query in pairs]
    return [
        match is not None and match.example == f"dev.json 1:{at % len(BENCHMARK)}" for at, match in enumerate(matches)
    ]


@pytest.mark.parametrize("name", QUERIES)
def test_the_same_query_is_found_whatever_the_question(detector: Detector, name: str) -> None:
    assert all(found(detector, [("Something else altogether", QUERIES[name](query)) for _, query in BENCHMARK]))


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_in_other_words_is_found_by_its_query(detector: Detector, name: str) -> None:
    assert all(found(detector, [(QUESTIONS[name](question), query) for question, query in BENCHMARK]))


@pytest.mark.parametrize("rewriting", REWRITTEN)
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_in_other_words_is_found_though_its_query_is_another(
    detector: Detector, name: str, rewriting: str
) -> None:
    pairs = [(QUESTIONS[name](question), REWRITTEN[rewriting](query)) for question, query in BENCHMARK]
    assert sum(found(detector, pairs)) >= len(BENCHMARK) - 1


def test_all_changes_at_once(detector: Detector) -> None:
    pairs = []
    for question, query in BENCHMARK:
        for change in reversed(QUESTIONS.values()):
            question = change(question)
        for change in REWRITTEN.values():
            query = change(query)
        pairs.append((question, query))
    assert sum(found(detector, pairs)) >= len(BENCHMARK) - 3


def test_other_questions_are_left_alone(detector: Detector) -> None:
    assert [detector.find(question, normal_query(query)) for question, query in UNRELATED] == [None] * len(UNRELATED)
