from collections.abc import Iterator

import pytest

from text2sql_lightning.prepare.workers import row_map

pytestmark = pytest.mark.unit


def test_few_rows_stay_in_this_process_and_are_taken_one_by_one() -> None:
    taken = []

    def rows() -> Iterator[int]:
        for row in range(5):
            taken.append(row)
            yield row

    with row_map(8, 5) as map_rows:
        results = map_rows(lambda row: row * 2, rows())
        assert (next(results), taken) == (0, [0])
        assert list(results) == [2, 4, 6, 8]
