"""Attention within a pack on a CPU whose matrix units take bfloat16: products of blocks, forward and backward.

PyTorch's own kernel makes little of these units in its forward pass and nothing in its backward pass. Here a block of
queries meets its keys in one product for all heads that share them. Queries, keys and values are rounded to bfloat16,
as autocast asks of products; scores and softmax are in float32. The weights that softmax gives are kept for the
backward pass, in bfloat16.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor

from text2sql_lightning.modeling.query_blocks import ROWS, QueryBlock

_BF16: Final = torch.bfloat16
_MOST_KEPT: Final = 2**29
"""Bytes of weights that may be kept for the backward pass of a pack, in all layers; more take the usual way."""


def keeps_little(blocks: Sequence[QueryBlock], config: Any) -> bool:
    """Say whether the weights of a pack may be kept in all layers of a model."""
    pairs = sum(block.mask.numel() for block in blocks)
    kept: int = pairs * config.num_attention_heads * config.num_hidden_layers * _BF16.itemsize
    return kept <= _MOST_KEPT


def attend_by_blocks(
    query: Tensor, key: Tensor, value: Tensor, blocks: Sequence[QueryBlock], scale: float | None
) -> Tensor:
    """Attend within a pack.

    Args:
        query: (1, heads, tokens, width).
        key: (1, key heads, tokens, width); the heads are a multiple of the key heads.
        value: As `key`.
        blocks: The pack.
        scale: Factor on the scores; None for 1 / sqrt(width).

    Returns:
        (1, heads, tokens, width).
    """
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    attended: Tensor = _BlockAttention.apply(query, key, value, blocks, factor)  # type: ignore[no-untyped-call]
    return attended


class _BlockAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, blocks: Sequence[QueryBlock], scale: float
    ) -> Tensor:
        heads = key.shape[1]
        scaled = key[0].float() * scale  # fewer numbers than the queries
        kept = torch.cat([scaled.to(_BF16), value[0].to(_BF16)])
        attended = torch.empty(query.shape[2], query.shape[1], query.shape[3], dtype=query.dtype)
        weights, queries = [], []
        with _products_in_bfloat16():
            for block in blocks:
                rows = _rows(query, heads, block, torch.float32)
                scores = torch.bmm(rows, scaled.index_select(1, block.columns).transpose(1, 2))
                scores.view(heads, ROWS, -1, scores.shape[2]).add_(block.mask)
                weights.append(scores.softmax(-1).to(_BF16))
                queries.append(rows.to(_BF16))
                _put(attended, torch.bmm(weights[-1], kept[heads:].index_select(1, block.columns)), block)
        ctx.save_for_backward(kept, *weights, *queries)
        ctx.blocks, ctx.scale = blocks, scale
        return attended[None].transpose(1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        kept, *saved = ctx.saved_tensors
        blocks = ctx.blocks
        heads = len(kept) // 2
        of_query = torch.empty_like(gradient.transpose(1, 2)[0], memory_format=torch.contiguous_format)
        of_kept = torch.zeros(kept.shape)
        for block, weights, queries in zip(blocks, saved[: len(blocks)], saved[len(blocks) :], strict=True):
            own = kept.index_select(1, block.columns)
            rows = _rows(gradient, heads, block, _BF16)
            of_weights = torch.bmm(rows, own[heads:].transpose(1, 2))
            of_scores = torch._softmax_backward_data(of_weights, weights, -1, _BF16)
            _put(of_query, torch.bmm(of_scores, own[:heads]), block)
            torch.bmm(of_scores.transpose(1, 2), queries, out=own[:heads])
            torch.bmm(weights.transpose(1, 2), rows, out=own[heads:])
            _add(of_kept, own, block)
        of_key, of_value = torch.split(of_kept.to(gradient.dtype), heads)
        return of_query[None].transpose(1, 2), of_key[None] * ctx.scale, of_value[None], None, None


@contextmanager
def _products_in_bfloat16() -> Iterator[None]:
    """Let products of float32 round their factors to bfloat16 where the processor gains by it, and no result."""
    backend: Any = torch.backends.mkldnn
    matmul = backend.matmul
    before = matmul.fp32_precision
    try:
        matmul.fp32_precision = "bf16"
        with torch.autocast("cpu", enabled=False):
            yield
    finally:
        matmul.fp32_precision = before


def _rows(states: Tensor, heads: int, block: QueryBlock, dtype: torch.dtype) -> Tensor:
    """Lay a block's states (1, all heads, tokens, width) out as (key heads, ROWS * group, width), zeros at the end."""
    tokens, width = block.end - block.start, states.shape[3]
    part = states[0, :, block.start : block.end].view(heads, -1, tokens, width).transpose(1, 2)
    make = torch.empty if tokens == ROWS else torch.zeros
    rows = make(heads, ROWS, part.shape[2], width, dtype=dtype)
    rows[:, :tokens] = part
    return rows.flatten(1, 2)


def _put(states: Tensor, rows: Tensor, block: QueryBlock) -> None:
    """Write rows back where `_rows` has them from; states are (tokens, all heads, width)."""
    tokens, heads, width = block.end - block.start, len(rows), rows.shape[2]
    part = states[block.start : block.end].view(tokens, heads, -1, width)
    part.copy_(rows.view(heads, ROWS, -1, width)[:, :tokens].transpose(0, 1))


def _add(states: Tensor, of_columns: Tensor, block: QueryBlock) -> None:
    """Add what a block's columns got to states (heads, tokens, width)."""
    lengths = [end - start for start, end in block.keys]
    parts = torch.split(of_columns[:, : sum(lengths)], lengths, 1)
    for (start, end), part in zip(block.keys, parts, strict=True):
        states[:, start:end] += part
