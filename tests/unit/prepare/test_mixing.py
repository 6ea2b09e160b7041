from array import array
from collections import Counter

import pytest

from text2sql_lightning.data.sources import RawRow
from text2sql_lightning.errors import ConfigError
from text2sql_lightning.prepare.clean import CleanRow, clean_row
from text2sql_lightning.prepare.pipeline import build_dataset
from text2sql_lightning.prepare.report import Members, source_figures
from text2sql_lightning.prepare.settings import BuildSettings, MixWeight, match_weights
from text2sql_lightning.prepare.split import mix_rows
from text2sql_lightning.prepare.store import KeptRows

pytestmark = pytest.mark.unit


def raw(source: str, index: int) -> RawRow:
    table = f"{source.replace('/', '_')}_{index}"
    return RawRow(
        f"Which {table}?", f"CREATE TABLE {table} (c{index} INTEGER)", f"SELECT c{index} FROM {table}", index, source
    )


def clean(source: str, count: int) -> list[CleanRow]:
    rows = [clean_row(raw(source, index), "keep") for index in range(count)]
    return [row for row in rows if isinstance(row, CleanRow)]


def sources(rows: list[CleanRow]) -> Counter[str]:
    return Counter(row.row.source for row in rows)


def mix(rows: list[CleanRow], weights: tuple[MixWeight, ...], seed: int) -> list[CleanRow]:
    places = mix_rows(array("I", range(len(rows))), KeptRows.of(rows), weights, seed)
    return [rows[place] for place in places]


ROWS = [*clean("big/one", 100), *clean("small", 10)]


def test_no_weights_leave_the_rows_alone() -> None:
    assert mix(ROWS, (), 42) == ROWS


def test_shares_by_sampling_down() -> None:
    mixed = mix(ROWS, (MixWeight("big/one", 3), MixWeight("small", 1)), 42)
    assert sources(mixed) == {"big/one": 30, "small": 10}
    assert [row.row.index for row in mixed if row.row.source == "small"] == list(range(10))
    assert len({row.question for row in mixed}) == 40
    assert mixed == mix(ROWS, (MixWeight("small", 0.1), MixWeight("big-one", 0.3)), 42)
    assert mixed != mix(ROWS, (MixWeight("big/one", 3), MixWeight("small", 1)), 43)


def test_rows_are_repeated_only_where_the_weight_says_so() -> None:
    mixed = mix(ROWS, (MixWeight("big/one", 2), MixWeight("small", 1, repeat=4)), 42)
    assert sources(mixed) == {"big/one": 80, "small": 40}
    assert set(Counter(row.question for row in mixed if row.row.source == "small").values()) == {4}
    assert set(Counter(row.question for row in mixed if row.row.source == "big/one").values()) == {1}
    uneven = mix(ROWS, (MixWeight("big/one", 4), MixWeight("small", 1, repeat=4)), 42)
    assert sources(uneven) == {"big/one": 100, "small": 25}
    assert set(Counter(row.question for row in uneven if row.row.source == "small").values()) == {2, 3}


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("shop.sqlite=1", MixWeight("shop.sqlite", 1.0)),
        ("a=b=0.25", MixWeight("a=b", 0.25)),
        ("shop=2x10", MixWeight("shop", 2.0, 10)),
    ],
)
def test_weights_are_read(text: str, weight: MixWeight) -> None:
    assert MixWeight.parse(text) == weight


@pytest.mark.parametrize(
    "text", ["shop", "shop=", "=1", "shop=0", "shop=-1", "shop=nan", "shop=inf", "shop=1x0", "shop=1xx"]
)
def test_weights_that_cannot_be_meant(text: str) -> None:
    with pytest.raises(ConfigError, match="give NAME=WEIGHT"):
        MixWeight.parse(text)


def test_every_source_needs_one_weight() -> None:
    with pytest.raises(ConfigError, match="--mix x: no training rows of a source of this name; the sources are a, b"):
        match_weights([MixWeight("x", 1)], ["b", "a"])
    with pytest.raises(ConfigError, match="no weight for b; with --mix every source needs one"):
        match_weights([MixWeight("a", 1)], ["b", "a"])
    with pytest.raises(ConfigError, match="two weights for one source"):
        match_weights([MixWeight("a", 1), MixWeight("a", 2)], ["b", "a"])


def test_a_build_of_two_sources() -> None:
    rows = [*(raw("one", index) for index in range(60)), *(raw("two", index) for index in range(60))]
    rows.append(RawRow(rows[3].question, rows[3].context, rows[3].answer, 60, "two"))
    weights = (MixWeight("one", 1), MixWeight("two", 2))
    built = build_dataset(rows, BuildSettings(mix=weights))
    ids = [record.id for record in (*built.train, *built.val, *built.test)]
    assert len(ids) == len(set(ids))
    figures = built.report["by_source"]
    assert {name: figures[name]["read"] for name in figures} == {"one": 60, "two": 61}
    assert (figures["one"]["dropped"], figures["two"]["dropped"]) == (0, 1)
    assert built.report["dropped"]["duplicate"]["examples"][0]["detail"] == "same as row 3 of one"
    two = figures["two"]["train"]
    assert abs(figures["one"]["train"] * 2 - two) <= 1
    assert two == figures["two"]["train_before_mixing"]
    assert built.report["settings"]["mix"] == {"one": [1, 1], "two": [2, 1]}
    kept = sum(sum(figures[name][split] for name in figures) for split in ("val", "test"))
    assert kept == len(built.val) + len(built.test)
    plain = build_dataset(rows, BuildSettings())
    assert plain.val == built.val
    assert plain.test == built.test


def test_figures_of_sources() -> None:
    rows = KeptRows.of([*clean("one", 2), *clean("two", 1)])
    members = Members(rows, {"train": [0, 1, 2], "val": []}, {"train": [0, 1], "val": []}, [])
    assert source_figures({"three": 1}, members) == {
        "one": {"read": 2, "dropped": 0, "train_before_mixing": 2, "train": 2, "val": 0},
        "three": {"read": 1, "dropped": 1, "train_before_mixing": 0, "train": 0, "val": 0},
        "two": {"read": 1, "dropped": 0, "train_before_mixing": 1, "train": 0, "val": 0},
    }
