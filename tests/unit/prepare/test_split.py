from collections import Counter
from itertools import pairwise

import pytest

from text2sql_lightning.data.sources import RawRow
from text2sql_lightning.errors import DataError
from text2sql_lightning.prepare.clean import CleanRow
from text2sql_lightning.prepare.normal_form import normal_query
from text2sql_lightning.prepare.settings import BuildSettings
from text2sql_lightning.prepare.split import group_name, row_groups, split_rows
from text2sql_lightning.prepare.store import KeptRows

pytestmark = pytest.mark.unit


def row(index: int, *keys: str, question: str = "", sql: str = "", hardness: str = "easy") -> CleanRow:
    question = question or f"question {index}"
    return CleanRow(
        row=RawRow(question, "", "", index, "x"),
        question=question,
        context="",
        sql="",
        repairs=(),
        literal_case_repaired=False,
        hardness=hardness,
        schema_id="0",
        tables=(),
        group_keys=keys,
        question_key=question,
        query=normal_query(sql or f"SELECT a{index} FROM t"),
    )


ROWS = [row(index, f"tables {index // 4}") for index in range(400)]


def names(rows: list[CleanRow], split_by: str) -> list[str]:
    """The name of each row's group."""
    kept = KeptRows.of(rows)
    return [group_name(kept, group) for group in row_groups(kept, split_by)]


def split(rows: list[CleanRow], settings: BuildSettings) -> dict[str, list[CleanRow]]:
    kept = KeptRows.of(rows)
    splits = split_rows(kept, row_groups(kept, settings.split_by), settings)
    return {name: [rows[place] for place in places] for name, places in splits.items()}


def indices(rows: list[CleanRow]) -> list[int]:
    return [entry.row.index for entry in rows]


def test_rows_that_share_a_key_or_a_question_are_one_group() -> None:
    rows = [
        row(0, "a"),
        row(1, "b", "c"),
        row(2, "c"),
        row(3, "d", question="same"),
        row(4, "a", question="same"),
        row(5, "e"),
    ]
    groups = names(rows, "schema")
    assert groups[1] == groups[2]
    assert groups[0] == groups[3] == groups[4]
    assert len(set(groups)) == 3


def test_rows_with_the_same_query_but_for_literals_are_one_group() -> None:
    sqls = ["SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = 2", "SELECT a FROM u WHERE b = 1"]
    groups = names([row(index, f"key {index}", sql=sql) for index, sql in enumerate(sqls)], "schema")
    assert groups[0] == groups[1]
    assert groups[0] != groups[2]


def test_rows_that_share_a_table_are_one_group_until_it_is_too_large() -> None:
    few = [row(index, f"tables {index}", "column customers.id") for index in range(100)]
    assert len(set(names(few, "schema"))) == 1
    many = [row(index, f"tables {index}", f"column t{index // 2}.id", "column customers.id") for index in range(120)]
    groups = names(many, "schema")
    assert Counter(Counter(groups).values()) == {2: 60}
    assert names(many[::-1], "schema") == groups[::-1]


def test_rows_of_one_set_of_tables_stay_together_however_many() -> None:
    assert len(set(names([row(index, "tables a;b") for index in range(500)], "schema"))) == 1


def test_every_split_has_its_share_of_each_hardness() -> None:
    levels = ["easy"] * 12 + ["medium"] * 5 + ["hard"] * 2 + ["extra"]
    rows = [row(index, f"tables {index // 3}", hardness=levels[index * 7 % 20]) for index in range(4000)]
    for seed in range(2):
        splits = split(rows, BuildSettings(val_ratio=0.1, test_ratio=0.05, seed=seed))
        assert abs(len(splits["val"]) - 400) < 3
        assert abs(len(splits["test"]) - 200) < 3
        for members in splits.values():
            counts = Counter(entry.hardness for entry in members)
            for level, part in (("easy", 0.6), ("medium", 0.25), ("hard", 0.1), ("extra", 0.05)):
                assert abs(counts[level] / len(members) - part) < 0.02


def test_by_row_only_the_question_counts() -> None:
    rows = [row(0, "a"), row(1, "a"), row(2, "b", question="same"), row(3, "c", question="same")]
    groups = names(rows, "row")
    assert groups[2] == groups[3]
    assert len(set(groups)) == 3


def test_sizes_are_near_the_ratios_and_no_group_is_torn() -> None:
    splits = split(ROWS, BuildSettings(val_ratio=0.1, test_ratio=0.05))
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 340, "val": 40, "test": 20}
    tables = {name: {entry.group_keys for entry in rows} for name, rows in splits.items()}
    assert not tables["train"] & tables["val"]
    assert not tables["train"] & tables["test"]
    assert not tables["val"] & tables["test"]
    assert sorted(index for rows in splits.values() for index in indices(rows)) == list(range(400))


def test_a_seed_gives_one_split_whatever_the_order_of_the_rows() -> None:
    settings = BuildSettings()
    first, again = split(ROWS, settings), split(ROWS[::-1], settings)
    assert {name: indices(rows) for name, rows in first.items()} == {
        name: indices(rows) for name, rows in again.items()
    }
    other = split(ROWS, BuildSettings(seed=43))
    assert set(indices(other["val"])) != set(indices(first["val"]))


def test_the_order_within_a_split_is_mixed() -> None:
    train = indices(split(ROWS, BuildSettings())["train"])
    assert train != sorted(train)
    steps = Counter(later > earlier for earlier, later in pairwise(train))
    assert 0.3 < steps[True] / len(train) < 0.7


def test_a_group_larger_than_a_split_goes_to_train() -> None:
    rows = [row(index, "big" if index < 300 else f"small {index}") for index in range(400)]
    for seed in range(20):
        splits = split(rows, BuildSettings(val_ratio=0.1, test_ratio=0.1, seed=seed))
        assert {name: len(members) for name, members in splits.items()} == {"train": 320, "val": 40, "test": 40}


def test_no_schema_is_a_large_part_of_val_or_test() -> None:
    rows = [row(index, f"large {index // 30}" if index < 120 else f"small {index}") for index in range(2000)]
    for seed in range(5):
        splits = split(rows, BuildSettings(val_ratio=0.1, test_ratio=0.05, seed=seed))
        assert {name: len(members) for name, members in splits.items()} == {"train": 1700, "val": 200, "test": 100}
        assert not {keys[0][:5] for split in ("val", "test") for keys in (r.group_keys for r in splits[split])} & {
            "large"
        }


def test_a_ratio_of_zero_leaves_a_split_empty() -> None:
    splits = split(ROWS, BuildSettings(val_ratio=0, test_ratio=0))
    assert (len(splits["train"]), splits["val"], splits["test"]) == (400, [], [])


def test_few_rows_still_fill_every_split() -> None:
    splits = split(ROWS[::4][:3], BuildSettings())
    assert [len(rows) for rows in splits.values()] == [1, 1, 1]


def test_groups_larger_than_every_split_still_fill_it() -> None:
    splits = split(ROWS[:20], BuildSettings())
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 12, "val": 4, "test": 4}


def test_rows_that_cannot_be_divided_are_an_error() -> None:
    with pytest.raises(DataError, match=r"no rows for val: 4 rows in 1 groups .* or --split_by row"):
        split(ROWS[:4], BuildSettings(test_ratio=0))
