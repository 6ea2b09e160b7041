import os
from collections.abc import Iterator
from functools import partial

import pytest

from text2sql_lightning.data.build.workers import row_map

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
