"""Attention over packs: each segment sees its ancestors and, causally, itself; nothing else is computed.

A pack is a row of segments (`data.packing`): whole examples, or the branches of a prefix tree. A dense mask over the
row would compute every pair of tokens and throw most of them away; on a CPU that was a quarter of a training step.
Here each segment attends in a call of its own to the keys that it sees, which are a few hundred. On a GPU that would be
many small calls: there one kernel does it (`flex_attention`). Where a CPU has units for products in bfloat16, blocks
of queries attend by such products (`block_attention`).

The function is registered with transformers (`AttentionInterface`) and stays in place for generation, where there are
no segments and transformers' own attention runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from text2sql_lightning.errors import ModelError
from text2sql_lightning.modeling.cpu.attention import attend_by_blocks, has_bfloat16_products, pays
from text2sql_lightning.modeling.cpu.lora import dtype_of_products
from text2sql_lightning.modeling.flex_attention import attend_in_blocks, block_mask, has_flex_kernel
from text2sql_lightning.modeling.packs import SEGMENTS_NAME, QueryBlock, Segments, query_blocks


@dataclass(frozen=True)
class PackLayout:
    """Who sees whom in a pack, as attention takes it.

    Attributes:
        segments: Lengths and ancestors.
        mask: The same for flex attention, where it has a kernel.
        blocks: The same for attention by products, where these are in bfloat16 on a CPU that has units for them.
    """

    segments: Segments
    mask: Any = None
    blocks: Sequence[QueryBlock] | None = None

    @classmethod
    def on(cls, device: torch.device, decoder: Any, segments: Segments) -> "PackLayout":
        """Prepare the layout of a pack for a decoder on a device."""
        config = decoder.config
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        if has_flex_kernel(device, width):
            return cls(segments, mask=block_mask(segments, device))
        if device.type == "cpu" and dtype_of_products(device) == torch.bfloat16 and has_bfloat16_products():
            blocks = query_blocks(segments)
            return cls(segments, blocks=blocks if pays(blocks, segments, config) else None)
        return cls(segments)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
        """Attend within the pack; shapes are those of `segment_attention`."""
        if self.mask is not None:
            return attend_in_blocks(query, key, value, self.mask, scale)
        if self.blocks is not None and query.shape[3] == value.shape[3]:
            return attend_by_blocks(query, key, value, self.blocks, scale)
        return segment_attention(query, key, value, self.segments, scale)


def use_segment_attention(model: Any, max_seq_length: int) -> None:
    """Make a model take the keyword argument `pack`.

    Args:
        model: A causal language model of transformers.
        max_seq_length: Longest sequence in a pack, in tokens.

    Raises:
        ModelError: The architecture does not let its attention be replaced, or attends in another way.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.masking_utils import sdpa_mask

    if not getattr(model, "_supports_attention_backend", False):
        raise ModelError(
            f"data.packing: the attention of {type(model).__name__} cannot be replaced: use --data.packing none"
        )
    check_plain_attention(model, max_seq_length)

    def forward(
        module: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        pack: PackLayout | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, None]:
        if pack is None:
            plain: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
            return plain
        return pack.attend(query, key, value, kwargs.get("scaling")).transpose(1, 2).contiguous(), None

    AttentionInterface.register(SEGMENTS_NAME, forward)
    AttentionMaskInterface.register(SEGMENTS_NAME, sdpa_mask)
    model.set_attn_implementation(SEGMENTS_NAME)


def check_plain_attention(model: Any, max_seq_length: int) -> None:
    """Refuse a model whose attention is more than a softmax over all tokens before.

    Raises:
        ModelError: It looks back over a window that is shorter than the sequences, or bends its scores.
    """
    config = model.config
    window = getattr(config, "sliding_window", None)
    if window and getattr(config, "use_sliding_window", True) and window < max_seq_length:
        raise ModelError(
            f"data.packing: {type(model).__name__} attends to the last {window} tokens alone, and "
            f"--data.max_seq_length is {max_seq_length}: set it to {window} at most, or use --data.packing none"
        )
    if getattr(config, "attn_logit_softcapping", None):
        raise ModelError(f"data.packing: {type(model).__name__} caps its attention scores: use --data.packing none")


def pack_arguments(decoder: Any, ids: Tensor, segments: Segments) -> dict[str, Any]:
    """Give the keyword arguments that a decoder needs to attend within a pack.

    Args:
        decoder: Prepared by `use_segment_attention`.
        ids: Token ids of the pack, (1, tokens).
        segments: Lengths and ancestors; the lengths add up to the tokens.
    """
    # The mask keeps transformers from making one of its own, (tokens, tokens) large.
    no_mask = torch.zeros(1, 1, 1, 1, dtype=torch.bool, device=ids.device)
    return {"attention_mask": no_mask, "pack": PackLayout.on(ids.device, decoder, segments)}


def segment_attention(query: Tensor, key: Tensor, value: Tensor, segments: Segments, scale: float | None) -> Tensor:
    """Attend within a pack.

    Args:
        query: (1, heads, tokens, width).
        key: (1, key heads, tokens, width); the heads are a multiple of the key heads.
        value: As `key`.
        segments: Lengths and ancestors; the lengths add up to the tokens.
        scale: Factor on the scores; None for 1 / sqrt(width).

    Returns:
        (1, heads, tokens, width).
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
