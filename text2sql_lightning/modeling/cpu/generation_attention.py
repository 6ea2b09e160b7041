"""Attention while a model generates on a CPU: query heads that share keys together, shared prefixes once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from torch import Tensor, cat, split
from torch.nn.functional import scaled_dot_product_attention

from text2sql_lightning.modeling.decoder import decoder_of, device_of
from text2sql_lightning.modeling.packs import SEGMENTS_NAME

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_NAME: Final = "text2sql_grouped"


@dataclass
class SharedPrefixes:
    """Keys and values that several rows of a batch see before their own.

    Attributes:
        counts: How many consecutive rows begin with each prefix.
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
def grouped_attention(model: "PreTrainedModel") -> Iterator[bool]:
    """Let a model on a CPU use grouped attention where it would use PyTorch's; any other model stays as it is.

    Yields:
        Whether the model does, and takes the keyword argument `prefixes`.
    """
    decoder = decoder_of(model)
    config: Any = getattr(decoder, "config", None)
    before = getattr(config, "_attn_implementation", None)
    if before not in ("sdpa", SEGMENTS_NAME) or device_of(model).type != "cpu":
        yield False
        return
    _register()
    config._attn_implementation = _NAME
    try:
        yield bool(getattr(decoder, "_supports_attention_backend", False))
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
        attended = _attend_after_prefixes(scaled, key, value, attention_mask, prefixes.counts, layer)
    return attended.reshape(batch, 1, heads, -1), None


def _attend_after_prefixes(
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
    for (keys, values), queries, scores in zip(prefixes, split(query, sizes), split(own, sizes), strict=True):
        rows, heads, group, size = queries.shape
        length = keys.shape[1]
        # One product for all rows: (key heads, rows * group, length).
        to_prefix = queries.transpose(0, 1).reshape(heads, rows * group, size) @ keys.transpose(-1, -2)
        to_prefix = to_prefix.view(heads, rows, group, length).transpose(0, 1)
        both = cat([to_prefix, scores], -1).softmax(-1)
        first, second = split(both, [length, scores.shape[-1]], -1)
        seen = first.transpose(0, 1).reshape(heads, rows * group, length) @ values
        of_prefix.append(seen.view(heads, rows, group, values.shape[-1]).transpose(0, 1))
        weights.append(second)
    return cat(weights) @ value + cat(of_prefix)
