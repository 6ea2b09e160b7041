import json
from pathlib import Path

import pytest

from text2sql_lightning.data.build.decontaminate import BenchmarkExample, Detector, read_spider_dev
from text2sql_lightning.data.build.fingerprints import (
    Fingerprints,
    fingerprint_all,
    question_fingerprint,
    spider_dev_fingerprints,
    write_fingerprints,
)
from text2sql_lightning.data.build.normal_form import normal_query
from text2sql_lightning.errors import DataError

pytestmark = pytest.mark.unit

SPIDER = Path(__file__).parents[4] / "shared" / "data" / "spider"
NOTHING = Fingerprints(frozenset(), frozenset())
EXAMPLE = BenchmarkExample(
    "What are the names of all the singers who are older than 30 years?",
    "SELECT T1.name FROM singer AS T1 WHERE T1.age > 30",
)


def find(question: str, sql: str, detector: Detector) -> str | None:
    return detector.find(question, normal_query(sql))


@pytest.mark.parametrize(
    ("question", "sql", "expected"),
    [
        ("what are the names of all the singers, who are older than 30 years", "SELECT 1", "question"),
        ("Something else", "select name from Singer where age > 25", "query"),
        ("Something else", "SELECT name FROM singer WHERE age < 30", None),
        ("Something else", "SELECT name FROM student WHERE age > 30", None),
        (
            "What are the names of all the students who are older than 30 years?",
            "SELECT name FROM student WHERE age > 30",
            "near_duplicate",
        ),
        # as similar, but another query
        (
            "What are the names of all the students who are older than 30 years?",
            "SELECT name FROM student ORDER BY age",
            None,
        ),
        # the same kind of query, but another question
        ("Which students are older than 30?", "SELECT name FROM student WHERE age > 30", None),
    ],
)
def test_what_is_found(question: str, sql: str, expected: str | None) -> None:
    assert find(question, sql, Detector(NOTHING, [EXAMPLE])) == expected


def test_hashes_find_what_is_the_same_and_nothing_near() -> None:
    detector = Detector(fingerprint_all([EXAMPLE.question], [normal_query(EXAMPLE.query)]))
    assert find(EXAMPLE.question.upper(), "SELECT 1", detector) == "question"
    assert find("x", EXAMPLE.query, detector) == "query"
    assert (
        find(EXAMPLE.question.replace("singers", "students"), "SELECT s.name FROM s WHERE s.age > 3", detector) is None
    )


def test_the_fingerprint_is_the_sha256_of_letters_and_digits() -> None:
    # echo -n howmanypurpleboatsarethere | sha256sum
    assert question_fingerprint("How many purple boats are there?") == (
        "0c9566b63f5d9272218ae842533db50ef6153745b27f3ca288de48f7b70b7acd"
    )


def test_the_package_ships_the_hashes_of_spider_dev() -> None:
    shipped = spider_dev_fingerprints()
    assert (len(shipped.questions), len(shipped.queries)) == (1034, 549)
    assert all(len(digest) == 64 for digest in shipped.questions | shipped.queries)


def test_the_shipped_hashes_are_those_of_spider_dev() -> None:
    if not SPIDER.is_dir():
        pytest.skip("the Spider folder is not here")
    examples = read_spider_dev(SPIDER)
    made = fingerprint_all((e.question for e in examples), (normal_query(e.query) for e in examples))
    assert made == spider_dev_fingerprints()


def test_hashes_of_another_normal_form_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("text2sql_lightning.data.build.fingerprints.files", lambda package: tmp_path)
    with pytest.raises(DataError, match="no Spider fingerprints"):
        spider_dev_fingerprints()
    path = tmp_path / "data" / "build" / "spider_dev.txt.gz"
    made = fingerprint_all(["q"], [normal_query("SELECT 1")])
    write_fingerprints(path, made)
    assert spider_dev_fingerprints() == made
    monkeypatch.setattr("text2sql_lightning.data.build.fingerprints._HEADER", "# another")
    with pytest.raises(DataError, match="another version of this package"):
        spider_dev_fingerprints()


def test_dev_json_is_read(tmp_path: Path) -> None:
    (tmp_path / "dev.json").write_text(json.dumps([{"question": "q", "query": "SELECT 1", "db_id": "x"}]))
    assert read_spider_dev(tmp_path) == [BenchmarkExample("q", "SELECT 1")]


@pytest.mark.parametrize("content", ["{", "[1]", '[{"question": "q"}]', "5", '{"a": 1}'])
def test_a_malformed_dev_json_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "dev.json").write_text(content)
    with pytest.raises(DataError, match=r"dev\.json is not a list of objects with question and query") as caught:
        read_spider_dev(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_without_dev_json(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read dev\.json \(No such file or directory\)"):
        read_spider_dev(tmp_path)
