import gzip
import json
import pickle
from pathlib import Path

import pytest

from text2sql_lightning.errors import DataError
from text2sql_lightning.prepare.decontaminate import BenchmarkExample, Detector, Match, benchmark_files, read_benchmark
from text2sql_lightning.prepare.fingerprints import (
    Fingerprint,
    fingerprint,
    question_features,
    question_fingerprint,
    similarities,
    sketch,
    spider_dev_fingerprints,
    write_fingerprints,
)
from text2sql_lightning.prepare.normal_form import normal_query

pytestmark = pytest.mark.unit

SPIDER = Path(__file__).parents[4] / "shared" / "data" / "spider"
QUESTION = "What are the names of all the singers who are older than 30 years?"
QUERY = "SELECT T1.name FROM singer AS T1 WHERE T1.age > 30"


def detector(*examples: tuple[str, str]) -> Detector:
    return Detector((f"x:{at}", fingerprint(q, normal_query(sql))) for at, (q, sql) in enumerate(examples))


def find(question: str, sql: str) -> tuple[str, str] | None:
    match = detector(("How many?", "SELECT 1 FROM other"), (QUESTION, QUERY)).find(question, normal_query(sql))
    return match and (match.kind, match.example)


@pytest.mark.parametrize(
    ("question", "sql", "expected"),
    [
        ("what are the names of all the singers, who are older than 30 years", "SELECT 1", "question"),
        ("Something else", "select name from Singer where age > 25", "query"),
        ("Something else", "SELECT name FROM singer WHERE age < 30", None),
        ("Something else", "SELECT name FROM student WHERE age > 30", None),
        # another query on the same tables
        ("Singers older than 25 years", "SELECT name FROM singer WHERE NOT age <= 25 LIMIT 9", "near_duplicate"),
        ("Show the youngest singers of Peru", "SELECT name FROM singer ORDER BY age LIMIT 1", None),
        # the same kind of query on other tables
        ("List names of singers that are older than 9 years.", "SELECT n FROM artist WHERE y > 9", "near_duplicate"),
        ("Which students are older than 30 years?", "SELECT name FROM student WHERE age > 30", None),
        # another kind of query on other tables
        ("Names of singers older than 30 years?", "SELECT n FROM artist ORDER BY years", None),
    ],
)
def test_what_is_found(question: str, sql: str, expected: str | None) -> None:
    assert find(question, sql) == (expected and (expected, "x:1"))


def test_two_words_are_too_little_to_tell_a_near_duplicate() -> None:
    one = detector(("When did the episode 'A' air?", "SELECT air_date FROM series WHERE episode = 'A'"))
    assert one.find("When did episode 113 air?", normal_query("SELECT d FROM t WHERE no = 113")) is None
    assert one.find("What episodes are there?", normal_query("SELECT episode FROM series")) is None


@pytest.mark.parametrize(("question", "sql"), [("", ""), ("?!", ";"), ("", "SELECT 1"), ("Who?", "")])
def test_nothing_equals_nothing(question: str, sql: str) -> None:
    assert detector(("", ""), ("...", " ; ")).find(question, normal_query(sql)) is None


def test_a_row_on_the_same_tables_is_known() -> None:
    one = detector((QUESTION, QUERY))
    assert one.has_tables(normal_query("SELECT COUNT(*) FROM Singer"))
    assert not one.has_tables(normal_query("SELECT COUNT(*) FROM singer JOIN song"))


def test_a_detector_can_be_sent_to_another_process() -> None:
    again = pickle.loads(pickle.dumps(detector((QUESTION, QUERY))))
    assert again.find(QUESTION, normal_query("SELECT 1")) == Match("question", "x:0")


def test_features_are_pieces_of_the_words_that_matter() -> None:
    assert question_features("Show me all the cities in Peru with 3 airports", frozenset(["peru"])) == sorted(
        [" ci", "cit", "ity", "ty ", " ai", "air", "irp", "rpo", "por", "ort", "rt "]
    )
    assert question_features("Which airport's city?") == question_features("cities: airport")
    assert question_features("Is it 7 or 8?") == []


def test_a_sketch_is_the_same_on_every_machine() -> None:
    drawn = sketch(["one", "two", "three"])
    assert len(drawn) == 128
    assert drawn[:8].hex() == "cb7cbeaf9b3005c8"
    assert sketch([]) == b""


def test_the_similarity_is_an_estimate_of_jaccards() -> None:
    import numpy as np

    one = sketch([str(number) for number in range(0, 300)])
    others = [[*range(0, 300)], [*range(100, 400)], [*range(1000, 1300)]]
    array = np.frombuffer(b"".join(sketch([str(n) for n in numbers]) for numbers in others), np.uint8).reshape(3, -1)
    assert similarities(one, array).tolist() == pytest.approx([1.0, 0.5, 0.0], abs=0.1)


def test_the_fingerprint_is_the_sha256_of_letters_and_digits() -> None:
    # echo -n howmanypurpleboatsarethere | sha256sum
    assert question_fingerprint("How many purple boats are there?") == (
        "0c9566b63f5d9272218ae842533db50ef6153745b27f3ca288de48f7b70b7acd"
    )


def test_the_package_ships_the_hashes_of_spider_dev() -> None:
    shipped = spider_dev_fingerprints()
    assert len(shipped) == 1034
    assert len({entry.question for entry in shipped}) == 1034
    assert len({entry.query for entry in shipped}) == 548
    assert {(len(entry.question), len(entry.query), len(entry.sketch)) for entry in shipped} == {(64, 64, 128)}


def test_the_shipped_hashes_are_those_of_spider_dev() -> None:
    if not SPIDER.is_dir():
        pytest.skip("the Spider folder is not here")
    examples = read_benchmark(SPIDER / "dev.json")
    assert [fingerprint(e.question, normal_query(e.query)) for e in examples] == spider_dev_fingerprints()


def test_hashes_of_another_normal_form_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("text2sql_lightning.prepare.fingerprints.files", lambda package: tmp_path)
    with pytest.raises(DataError, match="no Spider fingerprints"):
        spider_dev_fingerprints()
    path = tmp_path / "prepare" / "spider_dev.txt.gz"
    made = [fingerprint(QUESTION, normal_query(QUERY)), Fingerprint("", "", "", "", b"")]
    write_fingerprints(path, made)
    assert spider_dev_fingerprints() == made
    text = gzip.decompress(path.read_bytes()).decode()
    path.write_bytes(gzip.compress(text.replace("normal form", "normal form 1").encode()))
    with pytest.raises(DataError, match="another version of this package"):
        spider_dev_fingerprints()
    head, probe, rest = text.split("\n", 2)
    path.write_bytes(gzip.compress("\n".join([head, f"{probe}00", rest]).encode()))
    with pytest.raises(DataError, match="other releases of datasketch and sqlglot"):
        spider_dev_fingerprints()


def test_test_sets_are_read_from_folders_and_files(tmp_path: Path) -> None:
    folder, lines, packed = tmp_path / "spider", tmp_path / "mine.jsonl", tmp_path / "mine.jsonl.gz"
    folder.mkdir()
    for name in ("dev.json", "test.json"):
        (folder / name).write_text(json.dumps([{"question": name, "query": "SELECT 1", "db_id": "x"}]))
    lines.write_text('{"question": "q", "query": "SELECT 1"}\n\n{"question": "r", "sql": "SELECT 2"}\n')
    packed.write_bytes(gzip.compress(b'{"question": "q", "answer": "SELECT 3"}\n{"question": "r", "SQL": "SELECT 4"}'))
    files = benchmark_files([folder, lines, packed])
    assert files == [
        ("dev.json 1", folder / "dev.json"),
        ("test.json 2", folder / "test.json"),
        ("mine.jsonl 3", lines),
        ("mine.jsonl.gz 4", packed),
    ]
    assert [read_benchmark(path) for _, path in files] == [
        [BenchmarkExample("dev.json", "SELECT 1")],
        [BenchmarkExample("test.json", "SELECT 1")],
        [BenchmarkExample("q", "SELECT 1"), BenchmarkExample("r", "SELECT 2")],
        [BenchmarkExample("q", "SELECT 3"), BenchmarkExample("r", "SELECT 4")],
    ]
    found = Detector.for_spider([folder, lines])
    assert found.benchmarks == ("Spider dev fingerprints", "dev.json 1", "test.json 2", "mine.jsonl 3")
    assert found.find("R", normal_query("SELECT 5 FROM t")) == Match("question", "mine.jsonl 3:1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("5", "holds a JSON number: a list of objects is expected"),
        ('{"a": 1}', "holds a JSON object: a list of objects is expected"),
        ("[1]", "entry 0: expected an object, got number"),
        ('[{"question": "q"}]', "entry 0, field query: missing; the line has question"),
        ('[{"question": "q", "query": {"sel": 1}}]', "entry 0, field query: expected a string, got object"),
        ("[]", "holds no questions"),
    ],
)
def test_a_malformed_test_set_is_one_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "dev.json").write_text(content)
    with pytest.raises(DataError) as caught:
        read_benchmark(tmp_path / "dev.json")
    assert message in str(caught.value)
    assert str(caught.value).startswith("--decontaminate_against")
    assert "\n" not in str(caught.value)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no dev\.json and no test\.json; give a folder in Spider's format"):
        benchmark_files([tmp_path])
    with pytest.raises(DataError, match=r"nowhere\.json: No such file or directory"):
        read_benchmark(tmp_path / "nowhere.json")
    with pytest.raises(DataError, match=r"--decontaminate_against: .*nowhere: no such file"):
        read_benchmark(tmp_path / "nowhere")
