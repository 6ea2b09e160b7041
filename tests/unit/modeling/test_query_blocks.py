import random
from typing import Any

import pytest
import torch

from text2sql_lightning.modeling.cpu.block_attention import ROWS, query_blocks

pytestmark = pytest.mark.unit

INF = float("-inf")


def random_tree(draw: random.Random) -> list[tuple[int, tuple[int, ...]]]:
    """A pack laid out from the root down: each segment hangs on one of the chain that ends at the one before it."""
    segments: list[tuple[int, tuple[int, ...]]] = []
    for number in range(draw.randint(1, 12)):
        chain = (*segments[-1][1], number - 1) if segments else ()
        segments.append((draw.randint(1, 90), chain[: draw.randint(0, len(chain))]))
    return segments


def pairs_of(segments: Any) -> set[tuple[int, int]]:
    owner = [number for number, (length, _) in enumerate(segments) for _ in range(length)]
    return {
        (query, key)
        for query, own in enumerate(owner)
        for key, other in enumerate(owner)
        if other in segments[own][1] or (other == own and key <= query)
    }


def test_a_small_pack() -> None:
    """Two tokens that all see, and two branches of one and two."""
    (block,) = query_blocks([(2, ()), (1, (0,)), (2, (0,))])
    assert (block.start, block.end, block.keys) == (0, 5, ((0, 5),))
    assert block.columns == [(0, 5)]  # too few tokens to fill 32 columns
    assert block.mask.shape == (ROWS, 1, 5)
    assert block.mask[:5, 0, :5].tolist() == [
        [0, INF, INF, INF, INF],
        [0, 0, INF, INF, INF],
        [0, 0, 0, INF, INF],
        [0, 0, INF, 0, INF],
        [0, 0, INF, 0, 0],
    ]
    assert (block.mask[5:] == 0).all()  # softmax of nothing would be NaN


def test_a_block_skips_what_none_of_its_queries_sees() -> None:
    """A branch of 100 tokens ends where the second block begins."""
    first, second = query_blocks([(28, ()), (100, (0,)), (40, (0,))])
    assert first.keys == ((0, 128),)
    assert (second.start, second.end, second.keys) == (128, 168, ((0, 28), (128, 168)))
    assert second.columns == [(0, 28), (128, 168), (0, 28)]
    assert second.mask.shape == (ROWS, 1, 96)
    assert (second.mask[:40, 0, 68:] == INF).all()


@pytest.mark.parametrize("seed", range(30))
def test_each_pair_once(seed: int) -> None:
    segments = random_tree(random.Random(seed))
    tokens = sum(length for length, _ in segments)
    seen: list[tuple[int, int]] = []
    for block in query_blocks(segments):
        columns = [key for start, end in block.columns for key in range(start, end)]
        assert block.mask.shape == (ROWS, 1, len(columns))
        assert len(columns) % 32 == 0 or tokens < 32
        assert columns[: len(columns) - block.padding] == sorted(set(columns[: len(columns) - block.padding]))
        pairs = (block.mask[: block.end - block.start, 0] == 0).nonzero().tolist()
        assert all(column < len(columns) - block.padding for _, column in pairs)
        seen += [(block.start + row, columns[column]) for row, column in pairs]
    assert len(seen) == len(set(seen))
    assert set(seen) == pairs_of(segments)
    assert torch.equal(torch.tensor(sorted({query for query, _ in seen})), torch.arange(tokens))
