import pickle
from pathlib import Path

import pytest

from text2sql_lightning.data.sources import RawRow
from text2sql_lightning.prepare.clean import CleanRow, DroppedRow, clean_row
from text2sql_lightning.prepare.counts import Drops
from text2sql_lightning.prepare.decontaminate import Match
from text2sql_lightning.prepare.store import KeptRows, Lists, RowStore, pickled

pytestmark = pytest.mark.unit


def raw(index: int, source: str = "rows.jsonl", question: str = "") -> RawRow:
    return RawRow(question or f"Who {index}?", f"CREATE TABLE t{index} (a)", f"SELECT a FROM t{index}", index, source)


def clean(row: RawRow) -> CleanRow:
    cleaned = clean_row(row, "keep")
    assert isinstance(cleaned, CleanRow)
    return cleaned


def test_rows_wait_on_disk_and_come_back_in_any_order(tmp_path: Path) -> None:
    store = RowStore(tmp_path)
    assert store.add_raw(raw(index) for index in range(5)) == 5
    assert [pickle.loads(row).index for row in store.raw([0, 3, 4])] == [0, 3, 4]
    rows = [clean(raw(index)) for index in range(3)]
    for place, row in enumerate(rows):
        store.keep(place, pickled(row))
    stored = store.rows([2, 0, 2])
    assert list(stored) == [rows[2], rows[0], rows[2]]
    assert list(stored) == [rows[2], rows[0], rows[2]]
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["rows.sqlite"]


def test_the_first_of_equal_rows_is_found(tmp_path: Path) -> None:
    store = RowStore(tmp_path)
    assert [store.first_place(digest, place) for place, digest in enumerate([b"a", b"b", b"a", b"c", b"b"])] == [
        0,
        1,
        0,
        3,
        1,
    ]
    store.close()


def test_keys_are_numbered_by_the_alphabet() -> None:
    rows = KeptRows.of([clean(raw(2)), clean(raw(1)), clean(raw(1, question="Who 2?"))])
    # "column t1.a", "column t2.a", "question who1", "question who2", "tables t1", "tables t2", "template t1 ...", ...
    assert list(rows.question) == [3, 2, 3]
    assert list(rows.tables) == [5, 4, 4]
    assert list(rows.template) == [7, 6, 6]
    assert [list(rows.links[at]) for at in range(len(rows.links))] == [[1, 2], [0], [1, 2], [0]]
    assert [list(rows.names[at]) for at in range(len(rows.names))] == [[1, 2], [0]]
    assert f"{rows.hashes[2]:016x}" == "6d1146cc84714d79"


def test_rows_are_ordered_by_source_and_position() -> None:
    rows = KeptRows.of([clean(raw(1, "b")), clean(raw(0, "c")), clean(raw(0, "b")), clean(raw(7, "a"))])
    assert list(rows.in_order()) == [3, 2, 0, 1]


def test_lists() -> None:
    lists = Lists()
    for entries in ([1, 2], [], [3]):
        lists.add(entries)
    assert [list(lists[at]) for at in range(len(lists))] == [[1, 2], [], [3]]


def test_of_dropped_rows_the_first_are_examples() -> None:
    drops = Drops()
    for index in (9, 3, 8, 1, 7, 5, 2):
        drops.add(DroppedRow(raw(index), "gold_syntax", "x" * 300))
    drops.add(DroppedRow(raw(4, "a"), "contaminated_question", "", Match("question", "dev:1")))
    drops.add(DroppedRow(raw(6, "a"), "contaminated_query", "", Match("query", "dev:2")))
    figures = drops.figures()
    assert list(figures) == ["gold_syntax", "contaminated_query", "contaminated_question"]
    assert figures["gold_syntax"]["count"] == 7
    assert [example["row"] for example in figures["gold_syntax"]["examples"]] == [1, 2, 3, 5, 7]
    assert figures["gold_syntax"]["examples"][0]["detail"] == f"{'x' * 197}..."
    assert len(drops) == 9
    assert drops.by_source == {"rows.jsonl": 7, "a": 2}
    assert [(entry["row"], entry["kind"]) for entry in drops.contaminated()] == [(4, "question"), (6, "query")]
    assert drops.most_frequent().startswith("most were dropped as gold_syntax, row 9 for one: xxx")
