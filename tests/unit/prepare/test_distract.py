from collections import Counter
from random import Random

import pytest

from text2sql_lightning.data.sources import RawRow
from text2sql_lightning.prepare.clean import CleanRow, clean_row
from text2sql_lightning.prepare.counts import DistractorCounts
from text2sql_lightning.prepare.distractors.distract import Distracted, distract_row, distract_splits, draw_number
from text2sql_lightning.prepare.distractors.draft import pool_columns
from text2sql_lightning.prepare.distractors.index import ColumnIndex, kind_of, write_type
from text2sql_lightning.prepare.distractors.names import text_meanings
from text2sql_lightning.sql.schema import Schema

pytestmark = pytest.mark.unit


def clean(question: str, context: str, sql: str, index: int = 0) -> CleanRow:
    row = clean_row(RawRow(question, context, sql, index, "rows.jsonl"), "question")
    assert isinstance(row, CleanRow), row
    return row


def distract(row: CleanRow, mean: float = 6.0, seed: int = 0) -> Distracted:
    return distract_row(row, "train", ColumnIndex(0), mean, seed)


def distract_all(splits: dict[str, list[CleanRow]], mean: float, seed: int) -> dict[str, list[Distracted]]:
    done: dict[str, list[Distracted]] = {split: [] for split in splits}
    for split, row, result in distract_splits(splits, mean, seed):
        assert row is splits[split][len(done[split])]
        done[split].append(result)
    return done


SURFACE = clean(
    "What is the surface of the match on July 5, 2009?",
    "CREATE TABLE table_name_95 (surface VARCHAR, date VARCHAR)",
    'SELECT surface FROM table_name_95 WHERE date = "July 5, 2009"',
)
STAR = clean("Show it all.", "CREATE TABLE song (name VARCHAR, year VARCHAR)", "SELECT * FROM song")


def test_how_many() -> None:
    rng = Random(0)
    drawn = Counter(draw_number(rng, 3.0) for _ in range(20_000))
    assert max(drawn) == 12
    assert abs(sum(number * count for number, count in drawn.items()) / 20_000 - 3) < 0.06
    assert 0.09 < drawn[0] / 20_000 < 0.125
    assert max(draw_number(rng, 20.0) for _ in range(2000)) <= 80
    assert {draw_number(rng, 0.01) for _ in range(100)} <= {0, 1}


def test_columns_are_added_and_gold_stands() -> None:
    results = [distract(SURFACE, seed=seed) for seed in range(30)]
    for result in results:
        (table,) = Schema.from_ddl(result.context).tables
        assert len(table.columns) == 2 + len(result.sources)
        assert result.unneeded_after == len(result.sources)
        assert {"surface", "date"} <= {column.name for column in table.columns}
        assert {column.type for column in table.columns} <= {"VARCHAR", "INTEGER"}
    assert len({result.context for result in results}) >= 28
    assert distract(SURFACE, seed=5) == results[5]


def test_a_star_keeps_its_table() -> None:
    assert {distract(STAR, seed=seed).context for seed in range(20)} == {STAR.context}


def test_a_schema_with_enough_columns_is_left_alone() -> None:
    context = f"CREATE TABLE song (song_id INTEGER PRIMARY KEY, {', '.join(f'c{n} TEXT' for n in range(40))})"
    row = clean("How many songs?", context, "SELECT COUNT(*) FROM song")
    result = distract(row, mean=3.0)
    assert (result.context, result.sources, result.unneeded_before, result.unneeded_after) == (context, (), 41, 41)


def test_zero_changes_nothing() -> None:
    assert distract_all({"train": [SURFACE, STAR]}, 0, 42)["train"] == [
        Distracted(SURFACE.context, SURFACE.schema_id),
        Distracted(STAR.context, STAR.schema_id),
    ]


def test_a_row_gets_the_same_whatever_stands_around_it() -> None:
    """Rows that the index does not hear of: it is made of train, and val hears of train alone."""
    one = distract_all({"train": [SURFACE], "val": [STAR]}, 3.0, 1)
    other = distract_all({"train": [SURFACE], "val": [STAR, STAR], "test": [STAR]}, 3.0, 1)
    assert one["train"] == other["train"]


def test_train_does_not_get_the_schema_of_a_test_row() -> None:
    """Each is the other's only donor or superset: what would come out is forbidden, so another draw is taken."""
    train = [
        clean(
            "Which cup?",
            "CREATE TABLE table_name_1 (cup VARCHAR, zone VARCHAR)",
            "SELECT cup FROM table_name_1 WHERE zone = 'x'",
            0,
        ),
        clean(
            "Which cup?",
            "CREATE TABLE table_name_2 (cup VARCHAR, zone VARCHAR, blip VARCHAR)",
            "SELECT cup FROM table_name_2 WHERE zone = 'x' AND blip = 'y'",
            1,
        ),
    ]
    test = [
        clean(
            "Which cup?",
            "CREATE TABLE table_name_1 (cup VARCHAR, zone VARCHAR, blip VARCHAR)",
            "SELECT cup FROM table_name_1 WHERE zone = 'x' AND blip = 'y'",
            2,
        ),
    ]
    for seed in range(60):
        done = distract_all({"train": train, "val": [], "test": test}, 1.0, seed)
        found = {result.schema_id for result in done["train"]}
        assert test[0].schema_id not in found
        assert not found & {result.schema_id for result in done["test"]}


def test_the_pool() -> None:
    field, general = pool_columns(text_meanings("surface tournament partner"), frozenset(), Random(0))
    assert ("ranking", "points") in {column.words for column in field}
    assert ("last", "updated") in {column.words for column in general}
    assert pool_columns(text_meanings("zzz"), text_meanings("yyy"), Random(0))[0] == ()


def test_types_are_those_of_the_schema() -> None:
    rng = Random(0)
    assert write_type("integer", ["TEXT", "INT", "DATE"], rng) == "INT"
    assert write_type("real", ["TEXT", "INT"], rng) == "REAL"
    assert write_type("date", ["VARCHAR", "INTEGER"], rng) == "VARCHAR"
    assert {write_type("integer", ["VARCHAR"], rng) for _ in range(20)} == {"VARCHAR", "INTEGER"}
    assert write_type("integer", ["", ""], rng) == ""
    assert [kind_of(name) for name in ("decimal(10,2)", "varchar(20)", "datetime", "")] == [
        "real",
        "text",
        "date",
        "text",
    ]


def test_figures() -> None:
    results = {
        "train": [Distracted("", "", ("pool", "co_occurrence"), 0, 1), Distracted("", "")],
        "val": [Distracted("", "", ("tables",) * 12, 1, 0), Distracted("", "", unneeded_before=2, refused=True)],
    }
    counts = DistractorCounts(results)
    for split, entries in results.items():
        for result in entries:
            counts.add(split, result)
    figures = counts.figures(3.0)
    assert counts.of_split("train") == {"0": 1, "2": 1}
    assert figures == {
        "asked_mean": 3.0,
        "share_with_one": 0.5,
        "mean": 3.5,
        "histogram": {"0": 2, "1": 0, "2": 1, "3": 0, "4": 0, "5": 0, "6": 0, "7": 0, "8": 0, "9": 0, "10+": 1},
        "sources": {"same_table": 0, "tables": 12, "co_occurrence": 1, "pool": 1},
        "tables": 1,
        "refused": 1,
        "by_split": {"train": {"share_with_one": 0.5, "mean": 1.0}, "val": {"share_with_one": 0.5, "mean": 6.0}},
        "unneeded_columns": {
            "before": {"share_with_one": 0.5, "mean": 0.75},
            "after": {"share_with_one": 0.75, "mean": 4.25},
        },
    }
