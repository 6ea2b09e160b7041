"""A pack cut into blocks of queries, and the keys that each of them reads: attention by matrix products.

Blocks have one number of queries and few numbers of keys, because oneDNN compiles, and keeps, a kernel for each shape.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor

from text2sql_lightning.modeling.segments import Segments, ends_by_token

ROWS: Final = 128
"""Queries of a block; fewer waste less on pairs that are masked, and spend more on calls."""
_COLUMNS: Final = 32
"""Columns of a block are a multiple of it, unless the pack has too few tokens to fill it up with."""


@dataclass(frozen=True)
class QueryBlock:
    """Queries that stand one after another, and what any of them sees.

    Attributes:
        start: First query.
        end: Behind the last query, at most `ROWS` further.
        keys: First key and the end of each run of keys, in order.
        filling: First tokens of the pack that stand behind the keys, seen by nobody, to make a round number of columns.
        mask: 0 for a pair that is seen and -inf for another, (ROWS, 1, columns) in float32; the rows behind the last
            query see all.
    """

    start: int
    end: int
    keys: tuple[tuple[int, int], ...]
    filling: int
    mask: Tensor

    @property
    def columns(self) -> list[tuple[int, int]]:
        """Give the runs of tokens that the columns of the block are."""
        return [*self.keys, (0, self.filling)] if self.filling else list(self.keys)


def query_blocks(segments: Segments) -> list[QueryBlock]:
    """Cut a pack.

    Args:
        segments: Lengths and ancestors, laid out from the root down.
    """
    ends = ends_by_token(segments)
    return [_block(ends, start, min(start + ROWS, len(ends))) for start in range(0, len(ends), ROWS)]


def _block(ends: Tensor, start: int, end: int) -> QueryBlock:
    rows = torch.arange(start, end)
    keys = torch.cat([(ends[:start] > start).nonzero()[:, 0], rows])
    seen = (keys <= rows[:, None]) & (rows[:, None] < ends[keys])
    filling = -len(keys) % _COLUMNS
    if filling > len(ends):
        filling = 0
    mask = torch.zeros(ROWS, 1, len(keys) + filling)
    mask[: len(rows), 0, len(keys) :] = float("-inf")
    mask[: len(rows), 0, : len(keys)].masked_fill_(~seen, float("-inf"))
    return QueryBlock(start, end, _runs(keys), filling, mask)


def _runs(keys: Tensor) -> tuple[tuple[int, int], ...]:
    firsts = [0, *((keys.diff() != 1).nonzero()[:, 0] + 1).tolist(), len(keys)]
    return tuple((int(keys[one]), int(keys[other - 1]) + 1) for one, other in pairwise(firsts))
