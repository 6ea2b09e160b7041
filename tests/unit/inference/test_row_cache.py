"""A cache with room: the same contents as appending, rows that leave."""

import pytest
import torch

from text2sql_lightning.inference.prefix_cache import row_cache

pytestmark = pytest.mark.unit


def test_rows_are_right_aligned_and_grow() -> None:
    rows = [torch.full((2, 3, 4), 1.0), torch.full((2, 1, 4), 2.0)]
    cache = row_cache([(rows, rows)], 3)
    assert cache.layers[0].keys[:, 0, :, 0].tolist() == [[1, 1, 1], [0, 0, 2]]
    expected = cache.layers[0].keys.clone()
    for step in range(150):  # more than there is room for, twice
        new = torch.full((2, 2, 1, 4), float(step))
        expected = torch.cat([expected, new], dim=2)
        keys, values = cache.update(new, new, 0)
        assert keys.shape == values.shape == (2, 2, 4 + step, 4)
    assert torch.equal(keys, expected)
    assert torch.equal(values, expected)
    assert cache.get_seq_length() == 153


def test_rows_leave() -> None:
    states = [torch.full((1, 2, 3), float(row)) for row in range(3)]
    cache = row_cache([(states, states)], 2)
    cache.batch_select_indices(torch.tensor([0, 2]))
    keys, _ = cache.update(torch.full((2, 1, 1, 3), 9.0), torch.full((2, 1, 1, 3), 9.0), 0)
    assert keys[:, 0, :, 0].tolist() == [[0, 0, 9], [2, 2, 9]]
