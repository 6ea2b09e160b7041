"""Attention within a pack on a CPU that multiplies in bfloat16: products of blocks of queries and keys.

PyTorch's own kernel makes little of such units in its forward pass and nothing in its backward pass. Here a block of
queries meets its keys in one product for all heads that share them. Scores and softmax are computed in float32; the
attention weights are kept for the backward pass in bfloat16, which all other products are in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from text2sql_lightning.modeling.packs import Segments, ends_by_token

if TYPE_CHECKING:
    from transformers import PretrainedConfig

ROWS: Final = 128
"""Queries of a block; fewer waste less on pairs that are masked, and spend more on calls."""
_COLUMNS: Final = 32
"""Columns of a block are a multiple of it, unless the pack has too few tokens to pad with."""
_BF16: Final = torch.bfloat16
_MOST_KEPT: Final = 2**29
"""Bytes of attention weights that may be kept for the backward pass of a pack, in all layers."""
_MOST_WASTED: Final = 2.0
"""Pairs of a query and a key that blocks compute, for each that segments do: with more, short examples were slower."""


@dataclass(frozen=True)
class QueryBlock:
    """Consecutive queries, and the keys that any of them sees.

    Attributes:
        start: First query.
        end: Exclusive end of the queries, at most `ROWS` further.
        keys: Start and exclusive end of each run of keys, in order.
        padding: So many first tokens of the pack follow the keys, masked, to make a round number of columns.
        mask: 0 for a pair that is seen and -inf for another, (ROWS, 1, columns) in float32; the rows after the last
            query see all.
    """

    start: int
    end: int
    keys: tuple[tuple[int, int], ...]
    padding: int
    mask: Tensor

    @property
    def columns(self) -> list[tuple[int, int]]:
        """The runs of tokens that the columns of the block are."""
        return [*self.keys, (0, self.padding)] if self.padding else list(self.keys)


def query_blocks(segments: Segments) -> list[QueryBlock]:
    """Cut a pack, laid out from the root down, into blocks of queries."""
    ends = ends_by_token(segments)
    return [_block(ends, start, min(start + ROWS, len(ends))) for start in range(0, len(ends), ROWS)]


def _block(ends: Tensor, start: int, end: int) -> QueryBlock:
    rows = torch.arange(start, end)
    keys = torch.cat([(ends[:start] > start).nonzero()[:, 0], rows])
    seen = (keys <= rows[:, None]) & (rows[:, None] < ends[keys])
    padding = -len(keys) % _COLUMNS
    if padding > len(ends):
        padding = 0
    mask = torch.zeros(ROWS, 1, len(keys) + padding)
    mask[: len(rows), 0, len(keys) :] = float("-inf")
    mask[: len(rows), 0, : len(keys)].masked_fill_(~seen, float("-inf"))
    return QueryBlock(start, end, _runs(keys), padding, mask)


def _runs(keys: Tensor) -> tuple[tuple[int, int], ...]:
    firsts = [0, *((keys.diff() != 1).nonzero()[:, 0] + 1).tolist(), len(keys)]
    return tuple((int(keys[one]), int(keys[other - 1]) + 1) for one, other in pairwise(firsts))


def has_bfloat16_products() -> bool:
    """Return whether the processor has instructions for bfloat16 products; without, they are slower than float32."""
    questions = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, question, bool)() for question in questions)


def is_faster_by_blocks(blocks: Sequence[QueryBlock], segments: Segments, config: "PretrainedConfig") -> bool:
    """Return whether a model attends to a pack faster by blocks than by segments, and keeps little for it."""
    lengths = [length for length, _ in segments]
    by_segments = sum(length * (length + sum(lengths[one] for one in above)) for length, above in segments)
    by_blocks = sum(block.mask.numel() for block in blocks)
    kept = by_blocks * config.num_attention_heads * config.num_hidden_layers * _BF16.itemsize
    return by_blocks <= _MOST_WASTED * by_segments and bool(kept <= _MOST_KEPT)


def attend_by_blocks(
    query: Tensor, key: Tensor, value: Tensor, blocks: Sequence[QueryBlock], scale: float | None
) -> Tensor:
    """Attend within a pack; the arguments are shaped as in `packs.segment_attention`, values as wide as keys."""
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    attended: Tensor = _BlockAttention.apply(query, key, value, blocks, factor)  # type: ignore[no-untyped-call]
    return attended


class _BlockAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, blocks: Sequence[QueryBlock], scale: float
    ) -> Tensor:
        heads, tokens = key.shape[1], key.shape[2]
        scaled = key[0].float() * scale  # fewer numbers than the queries
        kept = torch.cat([scaled.to(_BF16), value[0].to(_BF16)])
        queries = _to_blocks(query, heads, torch.float32)
        attended = torch.empty_like(queries, dtype=_BF16)
        weights = []
        with torch.autocast("cpu", enabled=False):
            for number, block in enumerate(blocks):
                scores = torch.bmm(queries[number], _columns_of(scaled, block).transpose(1, 2))
                scores.view(heads, ROWS, -1, scores.shape[2]).add_(block.mask)
                weights.append(scores.softmax(-1).to(_BF16))
                torch.bmm(weights[-1], _columns_of(kept[heads:], block), out=attended[number])
        ctx.save_for_backward(kept, queries.to(_BF16), *weights)
        ctx.blocks, ctx.scale = blocks, scale
        return _from_blocks(attended, tokens, query.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        kept, queries, *weights = ctx.saved_tensors
        heads, tokens = len(kept) // 2, kept.shape[1]
        of_attended = _to_blocks(gradient, heads, _BF16)
        of_queries = torch.empty_like(queries)
        of_kept = torch.zeros(kept.shape)
        for number, (block, own_weights) in enumerate(zip(ctx.blocks, weights, strict=True)):
            own = _columns_of(kept, block)
            of_weights = torch.bmm(of_attended[number], own[heads:].transpose(1, 2))
            of_scores = torch._softmax_backward_data(of_weights, own_weights, -1, _BF16)
            torch.bmm(of_scores, own[:heads], out=of_queries[number])
            torch.bmm(of_scores.transpose(1, 2), queries[number], out=own[:heads])
            torch.bmm(own_weights.transpose(1, 2), of_attended[number], out=own[heads:])
            _add_columns(of_kept, own, block)
        of_key, of_value = torch.split(of_kept.to(gradient.dtype), heads)
        of_query = _from_blocks(of_queries, tokens, gradient.dtype)
        return of_query, of_key[None] * ctx.scale, of_value[None], None, None


def _to_blocks(states: Tensor, heads: int, dtype: torch.dtype) -> Tensor:
    """Lay states (1, all heads, tokens, width) out as (blocks, key heads, ROWS * group, width), zeros at the end."""
    by_token = states[0].transpose(0, 1)
    whole, rest = divmod(len(by_token), ROWS)
    shape = (ROWS, heads, by_token.shape[1] // heads, by_token.shape[2])
    blocks = torch.empty(whole + bool(rest), heads, ROWS, *shape[2:], dtype=dtype)
    blocks[:whole] = by_token[: whole * ROWS].reshape(whole, *shape).transpose(1, 2)
    if rest:
        blocks[whole, :, :rest] = by_token[whole * ROWS :].reshape(rest, *shape[1:]).transpose(0, 1)
        blocks[whole, :, rest:] = 0
    return blocks.flatten(2, 3)


def _from_blocks(blocks: Tensor, tokens: int, dtype: torch.dtype) -> Tensor:
    """Undo `_to_blocks`; in memory tokens come before heads."""
    count, heads, _, width = blocks.shape
    whole, rest = divmod(tokens, ROWS)
    by_row = blocks.view(count, heads, ROWS, -1, width).transpose(1, 2)
    states = torch.empty(tokens, *by_row.shape[2:], dtype=dtype)
    states[: whole * ROWS].view(whole, *by_row.shape[1:]).copy_(by_row[:whole])
    if rest:
        states[whole * ROWS :] = by_row[whole, :rest]
    return states.flatten(1, 2)[None].transpose(1, 2)


def _columns_of(states: Tensor, block: QueryBlock) -> Tensor:
    """Copy the columns of a block from states (heads, tokens, width)."""
    return torch.cat([states[:, start:end] for start, end in block.columns], 1)


def _add_columns(states: Tensor, of_columns: Tensor, block: QueryBlock) -> None:
    """Add what a block's columns got to states (heads, tokens, width)."""
    lengths = [end - start for start, end in block.keys]
    # One copy to float32 first: sums of two precisions take three times as long.
    parts = torch.split(of_columns.float()[:, : sum(lengths)], lengths, 1)
    for (start, end), part in zip(block.keys, parts, strict=True):
        states[:, start:end] += part
