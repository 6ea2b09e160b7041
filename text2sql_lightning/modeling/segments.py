"""Who sees whom in a pack.

A pack is a tree laid out from the root down, so everything that may see a segment, its descendants and itself, stands
in one run of tokens from the segment on. Who sees whom therefore takes one number for each token: where the run of its
segment ends.
"""

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

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
