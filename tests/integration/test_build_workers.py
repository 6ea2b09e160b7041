import os
from collections.abc import Iterator
from functools import partial

import pytest

from text2sql_lightning.data.sources import RawRow
from text2sql_lightning.prepare import workers
from text2sql_lightning.prepare.pipeline import build_dataset
from text2sql_lightning.prepare.settings import BuildSettings
from text2sql_lightning.prepare.workers import row_map

pytestmark = pytest.mark.integration


def numbered(row: int, by: int) -> tuple[int, int]:
    return row * by, os.getpid()


def test_results_come_in_order_and_rows_do_not_pile_up() -> None:
    taken = []

    def rows() -> Iterator[int]:
        for row in range(5000):
            taken.append(row)
            yield row

    with row_map(2, 5000) as map_rows:
        results = map_rows(partial(numbered, by=3), rows())
        first, process = next(results)
        assert (first, len(taken)) == (0, 600)
        assert process != os.getpid()
        assert [number for number, _ in results] == [3 * row for row in range(1, 5000)]
        assert list(map_rows(partial(numbered, by=0), [])) == []


def test_a_build_in_several_processes_gives_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        RawRow(
            f"Which song is called {n}?",
            f"CREATE TABLE song_{n // 9} (title TEXT)",
            f"SELECT title FROM song_{n // 9} WHERE title = '{n}'",
            n,
            "rows.jsonl",
        )
        for n in range(300)
    ]
    one = build_dataset(rows, BuildSettings(val_ratio=0.1))
    assert one.report["rows_kept"] == 300
    monkeypatch.setattr(workers, "ROWS_FOR_POOL", 200)
    assert build_dataset(rows, BuildSettings(val_ratio=0.1, workers=2)) == one
