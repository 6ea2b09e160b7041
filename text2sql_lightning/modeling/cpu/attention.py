"""Attention within a pack on a CPU that multiplies in bfloat16: products of blocks, forward and backward.

PyTorch's own kernel makes little of this in its forward pass and nothing in its backward pass. Here a block of
queries meets its keys in one product for all heads that share them. Scores and softmax are computed in float32, and
the weights that softmax gives are kept for the backward pass in bfloat16, which all other products are in.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import scaled_dot_product_attention

from text2sql_lightning.modeling.decoder import decoder_of, device_of
from text2sql_lightning.modeling.packs import ROWS, SEGMENTS_NAME, QueryBlock, Segments

_BF16: Final = torch.bfloat16
_MOST_KEPT: Final = 2**29
"""Bytes of weights that may be kept for the backward pass of a pack, in all layers."""
_MOST_WASTED: Final = 2.0
"""Pairs of a query and a key that blocks compute, for each that segments do: with more, short examples were slower."""


def has_bfloat16_products() -> bool:
    """Say whether the processor has instructions for products in bfloat16; without, they are slower than in float32."""
    questions = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, question, bool)() for question in questions)


def pays(blocks: Sequence[QueryBlock], segments: Segments, config: Any) -> bool:
    """Say whether a model attends to a pack by blocks faster than by segments, and keeps little for it."""
    lengths = [length for length, _ in segments]
    by_segments = sum(length * (length + sum(lengths[one] for one in above)) for length, above in segments)
    by_blocks = sum(block.mask.numel() for block in blocks)
    kept = by_blocks * config.num_attention_heads * config.num_hidden_layers * _BF16.itemsize
    return by_blocks <= _MOST_WASTED * by_segments and bool(kept <= _MOST_KEPT)


def attend_by_blocks(
    query: Tensor, key: Tensor, value: Tensor, blocks: Sequence[QueryBlock], scale: float | None
) -> Tensor:
    """Attend within a pack.

    Args:
        query: (1, heads, tokens, width).
        key: (1, key heads, tokens, width); the heads are a multiple of the key heads.
        value: As `key`, of the same width.
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
        heads, tokens = key.shape[1], key.shape[2]
        scaled = key[0].float() * scale  # fewer numbers than the queries
        kept = torch.cat([scaled.to(_BF16), value[0].to(_BF16)])
        queries = _to_blocks(query, heads, torch.float32)
        attended = torch.empty_like(queries, dtype=_BF16)
        weights = []
        with torch.autocast("cpu", enabled=False):
            for number, block in enumerate(blocks):
                scores = torch.bmm(queries[number], _take(scaled, block).transpose(1, 2))
                scores.view(heads, ROWS, -1, scores.shape[2]).add_(block.mask)
                weights.append(scores.softmax(-1).to(_BF16))
                torch.bmm(weights[-1], _take(kept[heads:], block), out=attended[number])
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
            own = _take(kept, block)
            of_weights = torch.bmm(of_attended[number], own[heads:].transpose(1, 2))
            of_scores = torch._softmax_backward_data(of_weights, own_weights, -1, _BF16)
            torch.bmm(of_scores, own[:heads], out=of_queries[number])
            torch.bmm(of_scores.transpose(1, 2), queries[number], out=own[:heads])
            torch.bmm(own_weights.transpose(1, 2), of_attended[number], out=own[heads:])
            _add(of_kept, own, block)
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
    """Undo `_to_blocks`; in memory tokens stand before heads."""
    count, heads, _, width = blocks.shape
    whole, rest = divmod(tokens, ROWS)
    by_row = blocks.view(count, heads, ROWS, -1, width).transpose(1, 2)
    states = torch.empty(tokens, *by_row.shape[2:], dtype=dtype)
    states[: whole * ROWS].view(whole, *by_row.shape[1:]).copy_(by_row[:whole])
    if rest:
        states[whole * ROWS :] = by_row[whole, :rest]
    return states.flatten(1, 2)[None].transpose(1, 2)


def _take(states: Tensor, block: QueryBlock) -> Tensor:
    """Copy the columns of a block from states (heads, tokens, width)."""
    return torch.cat([states[:, start:end] for start, end in block.columns], 1)


def _add(states: Tensor, of_columns: Tensor, block: QueryBlock) -> None:
    """Add what a block's columns got to states (heads, tokens, width)."""
    lengths = [end - start for start, end in block.keys]
    # One copy to float32 first: sums of two precisions take three times as long.
    parts = torch.split(of_columns.float()[:, : sum(lengths)], lengths, 1)
    for (start, end), part in zip(block.keys, parts, strict=True):
        states[:, start:end] += part


_NAME: Final = "text2sql_grouped"


@dataclass
class SharedPrefixes:
    """What rows of a batch see before their own keys and values.

    Attributes:
        counts: How many rows, one after another, begin with each prefix.
        layers: For each layer the keys and values of the prefixes, each (key heads, length, size); length may be 0.
    """

    counts: list[int]
    layers: Sequence[Sequence[tuple[Tensor, Tensor]]]

    def select(self, rows: Sequence[int]) -> "SharedPrefixes":
        """Keep some rows, in order."""
        owners = [number for number, count in enumerate(self.counts) for _ in range(count)]
        kept = [owners[row] for row in rows]
        numbers = sorted(set(kept))
        layers = [[layer[number] for number in numbers] for layer in self.layers]
        return SharedPrefixes([kept.count(number) for number in numbers], layers)


@contextmanager
def grouped_attention(model: Any) -> Iterator[bool]:
    """Let a model on a CPU use grouped attention where it would use PyTorch's; any other model stays as it is.

    Yields:
        Whether the model does, and takes the keyword argument `prefixes`.
    """
    config = getattr(decoder_of(model), "config", None)
    before = getattr(config, "_attn_implementation", None)
    if before not in ("sdpa", SEGMENTS_NAME) or device_of(model).type != "cpu":
        yield False
        return
    assert config is not None
    _register()
    config._attn_implementation = _NAME
    try:
        yield bool(getattr(decoder_of(model), "_supports_attention_backend", False))
    finally:
        config._attn_implementation = before


@lru_cache(maxsize=1)
def _register() -> None:
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
    from transformers.modeling_utils import AttentionInterface

    AttentionInterface.register(_NAME, _attend)
    AttentionMaskInterface.register(_NAME, sdpa_mask)


def _attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    prefixes: SharedPrefixes | None = None,
    **settings: Any,
) -> tuple[Tensor, None]:
    """Attend as transformers' `sdpa` does; query is (batch, heads, positions, size)."""
    batch, heads, positions, size = query.shape
    plain = positions > 1 or settings.get("position_bias") is not None
    if prefixes is None and (plain or key.shape[1] == heads):
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        output: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **settings)
        return output
    grouped = query.reshape(batch, key.shape[1], -1, size)
    scale = settings.get("scaling")
    if prefixes is None:
        attended = scaled_dot_product_attention(grouped, key, value, attn_mask=attention_mask, scale=scale)
    else:
        layer = prefixes.layers[module.layer_idx]
        scaled = grouped * (size**-0.5 if scale is None else scale)
        attended = _attend_behind(scaled, key, value, attention_mask, prefixes.counts, layer)
    return attended.reshape(batch, 1, heads, -1), None


def _attend_behind(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    counts: Sequence[int],
    prefixes: Sequence[tuple[Tensor, Tensor]],
) -> Tensor:
    """Attend with one softmax over a row's prefix and its own columns.

    Args:
        query: Scaled, (rows, key heads, group, size).
        key: The rows' own, (rows, key heads, columns, size).
        value: As `key`.
        mask: Own columns that are seen, bool, (rows, 1, 1, columns), or None for all.
        counts: Rows of each prefix.
        prefixes: Their keys and values, (key heads, length, size).

    Returns:
        As `query`.
    """
    own = query @ key.transpose(-1, -2)
    if mask is not None:
        own.masked_fill_(~mask, float("-inf"))
    of_prefix, weights, sizes = [], [], list(counts)
    for (keys, values), queries, scores in zip(
        prefixes, torch.split(query, sizes), torch.split(own, sizes), strict=True
    ):
        rows, heads, group, size = queries.shape
        length = keys.shape[1]
        # One product for all rows: (key heads, rows * group, length).
        to_prefix = queries.transpose(0, 1).reshape(heads, rows * group, size) @ keys.transpose(-1, -2)
        to_prefix = to_prefix.view(heads, rows, group, length).transpose(0, 1)
        both = torch.cat([to_prefix, scores], -1).softmax(-1)
        first, second = torch.split(both, [length, scores.shape[-1]], -1)
        seen = first.transpose(0, 1).reshape(heads, rows * group, length) @ values
        of_prefix.append(seen.view(heads, rows, group, values.shape[-1]).transpose(0, 1))
        weights.append(second)
    return torch.cat(weights) @ value + torch.cat(of_prefix)
