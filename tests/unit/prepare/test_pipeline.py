import json
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest

from text2sql_lightning.data.sources import RawRow
from text2sql_lightning.errors import ConfigError, DataError
from text2sql_lightning.prepare.fingerprints import fingerprint
from text2sql_lightning.prepare.normal_form import normal_query
from text2sql_lightning.prepare.pipeline import build_dataset, sample_places
from text2sql_lightning.prepare.settings import BuildSettings

pytestmark = pytest.mark.unit

BENCHMARK = [fingerprint("How many purple boats have we?", normal_query("SELECT count(*) FROM purple_boat AS p"))]
THINGS = ("song", "boat", "river", "museum", "train", "planet")


@pytest.fixture(autouse=True)
def _benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("text2sql_lightning.prepare.decontaminate.spider_dev_fingerprints", lambda: BENCHMARK)


def good_rows(count: int) -> list[RawRow]:
    """Rows on many tables, each with a question of its own."""
    rows = []
    for index, thing in zip(range(count), cycle(THINGS), strict=False):
        table = f"{thing}_{index // 12}"
        rows.append(
            RawRow(
                f"Which {thing} is called Name{index}?",
                f"CREATE TABLE {table} ({thing}_id{index // 12} INTEGER, title VARCHAR)".replace(
                    "title", f"title_{table}"
                ),
                f'SELECT {thing}_id{index // 12} FROM {table} WHERE title_{table} = "name{index}"',
                index,
                "rows.jsonl",
            )
        )
    return rows


def test_a_record_from_end_to_end() -> None:
    rows = good_rows(60)
    built = build_dataset(rows, BuildSettings(seed=1, distractors=0))
    record = built.val[0]
    row = rows[record.meta["row"]]
    assert json.loads(record.to_json()) == {
        "id": "sqlcc-val-000001",
        "instruction": "Write a SQL query that answers the user's question using ONLY the tables and columns provided "
        "in the schema.",
        "input": f"### Schema:\n{row.context}\n\n### Question:\n{row.question}",
        "output": row.answer.replace("name", "Name"),
        "source": "rows.jsonl",
        "meta": {
            "original_split": "train",
            "row": row.index,
            "split": "val",
            "val_ratio": 0.08,
            "test_ratio": 0.05,
            "seed": 1,
            "schema_id": record.meta["schema_id"],
            "schema_group": record.meta["schema_group"],
            "distractors": 0,
            "distractor_tables": 0,
            "literal_case_repaired": True,
            "dialect": "sqlite",
            "decontaminated": True,
            "hardness": "easy",
            "repairs": [],
        },
    }
    assert [r.id for r in built.train[:2]] == ["sqlcc-train-000001", "sqlcc-train-000002"]
    assert len(built.train) + len(built.val) + len(built.test) == 60


def test_the_report_counts_every_row_once() -> None:
    rows = good_rows(60)
    bad = [
        RawRow("How many?", "CREATE TABLE t (a)", "SELECT b FROM t", 60, "rows.jsonl"),
        RawRow("How?", "none", "SELECT 1", 61, "rows.jsonl"),
        RawRow(rows[5].question, rows[5].context, f"{rows[5].answer};", 62, "rows.jsonl"),
        RawRow("how many purple boats have we", "CREATE TABLE s (a)", "SELECT COUNT(*) FROM s", 63, "rows.jsonl"),
        RawRow("Who?", "CREATE TABLE purple_boat (a)", "SELECT COUNT(*) FROM purple_boat", 64, "rows.jsonl"),
    ]
    report = build_dataset([*rows, *bad], BuildSettings()).report
    assert (report["rows_in_source"], report["rows_read"], report["rows_kept"], report["rows_dropped"]) == (
        65,
        65,
        60,
        5,
    )
    assert {reason: entry["count"] for reason, entry in report["dropped"].items()} == {
        "contaminated_query": 1,
        "contaminated_question": 1,
        "duplicate": 1,
        "gold_unknown_column": 1,
        "no_create_table": 1,
    }
    assert report["dropped"]["gold_unknown_column"]["examples"] == [
        {"row": 60, "question": "How many?", "detail": "SELECT b FROM t"}
    ]
    assert report["dropped"]["duplicate"]["examples"][0]["detail"] == "same as row 5"
    assert (report["contamination"]["same_question"], report["contamination"]["same_query"]) == (1, 1)
    assert report["contamination"]["rows"] == [
        {"source": "rows.jsonl", "row": 63, "kind": "question", "example": "spider-dev:0", "similarity": None},
        {"source": "rows.jsonl", "row": 64, "kind": "query", "example": "spider-dev:0", "similarity": None},
    ]
    assert report["contamination"]["kept_on_same_tables"] == 0
    assert report["literal_case_repaired"] == 60
    assert sum(report["splits"][split]["records"] for split in ("train", "val", "test")) == 60


def test_contamination_is_counted_before_anything_else() -> None:
    broken = RawRow("How many purple boats have we?", "none", "not SQL", 60, "rows.jsonl")
    report = build_dataset([*good_rows(60), broken], BuildSettings()).report
    assert report["contamination"]["same_question"] == 1
    assert list(report["dropped"]) == ["contaminated_question"]


def test_contamination_may_be_kept_and_that_is_recorded() -> None:
    row = RawRow("How many purple boats have we?", "CREATE TABLE s (a)", "SELECT COUNT(*) FROM s", 60, "rows.jsonl")
    built = build_dataset([*good_rows(60), row], BuildSettings(decontaminate=False))
    assert built.report["rows_kept"] == 61
    found = built.report["contamination"]
    assert (found["searched"], found["against"], found["rows"]) == (False, [], [])
    assert {record.meta["decontaminated"] for record in built.train} == {False}


def test_nothing_overlaps_by_schema_and_lengths_are_there() -> None:
    report = build_dataset(
        good_rows(120), BuildSettings(), count_tokens=lambda texts: [len(t.split()) for t in texts]
    ).report
    for kind in ("schema_groups", "schemas", "questions", "table_names"):
        assert report["schema_overlap"][kind] == {"train-val": 0, "train-test": 0, "val-test": 0}
    lengths = report["lengths"]["train"]
    assert set(lengths) == {"characters", "tokens"}
    assert lengths["tokens"]["output"]["max"] == 8
    assert set(lengths["characters"]["prompt"]) == {"mean", "median", "p95", "p99", "max"}


def test_the_same_rows_and_seed_give_the_same_result() -> None:
    rows = good_rows(60)
    first, again = build_dataset(rows, BuildSettings()), build_dataset(rows, BuildSettings())
    assert first == again
    other = build_dataset(rows, BuildSettings(seed=7))
    assert [record.meta["row"] for record in other.train] != [record.meta["row"] for record in first.train]


def test_a_sample_is_taken_from_everywhere() -> None:
    sample = list(sample_places(1000, BuildSettings(max_rows=100)))
    assert len(sample) == len(set(sample)) == 100
    assert sample == sorted(sample)
    assert 350 < sum(sample) / 100 < 650
    assert sample != list(sample_places(1000, BuildSettings(max_rows=100, seed=1)))
    assert list(sample_places(1000, BuildSettings(max_rows=5000))) == list(range(1000))
    rows = good_rows(200)
    built = build_dataset(rows, BuildSettings(max_rows=100))
    kept = [record.meta["row"] for record in (*built.train, *built.val, *built.test)]
    assert sorted(kept) == list(sample_places(200, BuildSettings(max_rows=100)))


def test_no_row_that_can_be_used_is_an_error() -> None:
    rows = [RawRow("q", "CREATE TABLE t (a)", "SELECT b FROM t", index, "x") for index in range(3)]
    with pytest.raises(DataError, match="none of 3 rows can be used; most were dropped as gold_unknown_column, row 0"):
        build_dataset(rows, BuildSettings())


def test_rows_on_the_same_tables_are_kept_and_reported() -> None:
    row = RawRow(
        "Which boat is red?",
        "CREATE TABLE purple_boat (a, b)",
        "SELECT a FROM purple_boat WHERE b = 'red'",
        60,
        "rows.jsonl",
    )
    found = build_dataset([*good_rows(60), row], BuildSettings()).report["contamination"]
    assert (found["rows"], found["kept_on_same_tables"], found["same_table_sets"]) == ([], 1, {"purple_boat": 1})


def test_near_duplicates_of_a_given_test_set_go(tmp_path: Path) -> None:
    rows = good_rows(60)
    rows[0] = replace(rows[0], question="Which of the recorded songs is called Name0?")
    query = "SELECT * FROM song_0 WHERE title_song_0 LIKE 'Namen'"
    example = {"question": "Show all songs called Namen that were recorded", "query": query}
    (tmp_path / "dev.json").write_text(json.dumps([example]))
    (tmp_path / "mine.jsonl").write_text(json.dumps({"question": rows[1].question, "sql": "SELECT 1"}))
    given = (tmp_path, tmp_path / "mine.jsonl")
    found = build_dataset(rows, BuildSettings(decontaminate_against=given)).report["contamination"]
    assert found["against"] == ["Spider dev fingerprints", "dev.json 1", "mine.jsonl 2"]
    assert [(entry["row"], entry["kind"], entry["example"]) for entry in found["rows"]] == [
        (0, "near_duplicate", "dev.json 1:0"),
        (1, "question", "mine.jsonl 2:0"),
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"val_ratio": 1.0}, "--val_ratio 1.0: give a share of at least 0 and below 1"),
        ({"test_ratio": -0.1}, "--test_ratio -0.1: give a share of at least 0 and below 1"),
        ({"val_ratio": float("nan")}, "--val_ratio nan: give a share"),
        ({"val_ratio": 0.6, "test_ratio": 0.4}, "leave nothing to train on"),
        ({"max_rows": 0}, "--max_rows 0: give a whole number of at least 1"),
        ({"workers": 0}, "--workers 0: give a whole number of at least 1"),
        ({"literal_case": "upper"}, "--literal_case upper: give question or keep"),
        ({"split_by": "table"}, "--split_by table: give schema or row"),
        ({"decontaminate": False, "decontaminate_against": (Path("x"),)}, "exclude each other"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        BuildSettings(**settings)  # type: ignore[arg-type]
    assert message in str(caught.value)
