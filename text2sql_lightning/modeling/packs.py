"""Who sees whom in a pack.

A pack is a tree laid out from the root down, so everything that may see a segment, its descendants and itself, stands
in one run of tokens from the segment on. Who sees whom therefore takes one number for each token: where the run of its
segment ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

import torch
from torch import Tensor

SEGMENTS_NAME: Final = "text2sql_segments"
"""The name under which transformers knows the attention over segments."""

Segments: TypeAlias = Sequence[tuple[int, Sequence[int]]]
"""For each segment of a pack, in order: its length in tokens, and the numbers of its ancestors from the root."""


def ends_of_readers(segments: Segments) -> list[int]:
    """Give, for each segment, the place behind the last token that may see it.

    Args:
        segments: Lengths and ancestors, laid out from the root down.

    Raises:
        ValueError: They are not: what follows an ancestor does not stand in one run behind it.
    """
    ends: list[int] = []
    end = 0
    for number, (length, ancestors) in enumerate(segments):
        if any(ends[ancestor] != end for ancestor in ancestors):
            raise ValueError(f"segment {number} of a pack stands apart from the other readers of its ancestors")
        end += length
        ends.append(end)
        for ancestor in ancestors:
            ends[ancestor] = end
    return ends


def ends_by_token(segments: Segments) -> Tensor:
    """Give, for each token, the place behind the last one that may see it, (tokens,)."""
    lengths = torch.tensor([length for length, _ in segments])
    return torch.tensor(ends_of_readers(segments)).repeat_interleave(lengths)


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
