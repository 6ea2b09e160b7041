"""Which tokens of a pack see which, and attention segment by segment.

A pack is a row of segments (`data.packing`): whole examples, or the branches of a prefix tree, laid out from the root
down. Each segment sees its ancestors and, causally, itself. All tokens that may attend to a segment, its own and its
descendants', therefore form one run that begins with it, and one number for each token says which tokens see it: the
exclusive end of that run.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

SEGMENTS_NAME: Final = "text2sql_segments"
"""The name under which transformers knows the attention over segments."""

Segments: TypeAlias = Sequence[tuple[int, Sequence[int]]]
"""For each segment of a pack, in order: its length in tokens, and the numbers of its ancestors from the root."""


def reader_ends(segments: Segments) -> list[int]:
    """Return, per segment, the exclusive end index of the tokens that may attend to it.

    Raises:
        ValueError: They are not laid out from the root down: segments after an ancestor form no run with it.
    """
    ends: list[int] = []
    end = 0
    for number, (length, ancestors) in enumerate(segments):
        if any(ends[ancestor] != end for ancestor in ancestors):
            raise ValueError(f"segment {number} of a pack is separated from the other readers of its ancestors")
        end += length
        ends.append(end)
        for ancestor in ancestors:
            ends[ancestor] = end
    return ends


def ends_by_token(segments: Segments) -> Tensor:
    """Return, per token, the exclusive end index of the tokens that may attend to it, (tokens,)."""
    lengths = torch.tensor([length for length, _ in segments])
    return torch.tensor(reader_ends(segments)).repeat_interleave(lengths)


def segment_attention(query: Tensor, key: Tensor, value: Tensor, segments: Segments, scale: float | None) -> Tensor:
    """Attend within a pack, each segment by a call for itself to the few hundred keys that it sees.

    A dense mask over the row would compute every pair of tokens and throw most of them away; on a CPU that was a
    quarter of a training step.

    Args:
        query: (1, heads, tokens, width).
        key: (1, key heads, tokens, width); the heads are a multiple of the key heads.
        value: As `key`.
        segments: The lengths add up to the tokens of the pack.
        scale: Factor on the scores; None for 1 / sqrt(width).

    Returns:
        As `query`.
    """
    dtype = query.dtype
    if query.device.type == "cpu" and dtype == torch.bfloat16:  # there it takes twice as long as float32
        query, key, value = query.float(), key.float(), value.float()
    groups = query.shape[1] // key.shape[1]
    if groups > 1 and query.device.type != "cpu":  # not every kernel there takes fewer key heads
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    # Split once: the backward pass of a slice would fill a tensor of the pack's size, for every slice.
    lengths = [length for length, _ in segments]
    queries, keys, values = (torch.split(part, lengths, 2) for part in (query, key, value))
    attended = [
        _attend(queries[number], _seen(keys, number, ancestors), _seen(values, number, ancestors), scale)
        for number, (_, ancestors) in enumerate(segments)
    ]
    # PyTorch's kernel writes positions before heads, and so does the copy.
    return torch.cat([part.transpose(1, 2) for part in attended], 1).transpose(1, 2).to(dtype)


def _seen(parts: Sequence[Tensor], number: int, ancestors: Sequence[int]) -> Tensor:
    return torch.cat([parts[ancestor] for ancestor in (*ancestors, number)], 2) if ancestors else parts[number]


def _attend(query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
    own, seen = query.shape[2], key.shape[2]
    causal = own == seen
    mask = _mask(own, seen, query.device) if own > 1 and not causal else None
    grouped = query.shape[1] > key.shape[1]
    return functional.scaled_dot_product_attention(
        query, key, value, mask, 0.0, causal, scale=scale, enable_gqa=grouped
    )


@lru_cache(maxsize=16)  # a pack's few shapes come again in every layer
def _mask(own: int, seen: int, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # made in a validation, it has to serve in training
        return torch.ones(own, seen, dtype=torch.bool, device=device).tril(seen - own)
