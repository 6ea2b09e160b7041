"""Attention over packs in a model of transformers, by the way that is fastest on its device.

On a GPU one kernel does it (`flex_attention`); on a CPU with units for bfloat16, blocks of queries do, if the products
are in it (`cpu.block_attention`); else each segment attends by a call for itself (`packs`). The function is registered
with transformers (`AttentionInterface`) and stays in place for generation, where there are no segments and
transformers' own attention runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from text2sql_lightning.errors import ModelError
from text2sql_lightning.modeling.cpu.block_attention import (
    QueryBlock,
    attend_by_blocks,
    has_bfloat16_products,
    is_faster_by_blocks,
    query_blocks,
)
from text2sql_lightning.modeling.flex_attention import attend_by_flex_kernel, block_mask, has_flex_kernel
from text2sql_lightning.modeling.packs import SEGMENTS_NAME, Segments, segment_attention

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask
    from transformers import PretrainedConfig, PreTrainedModel


@dataclass(frozen=True)
class PackLayout:
    """Which tokens of a pack see which, in the form that the attention on a device takes.

    Attributes:
        segments: Lengths and ancestors.
        mask: The same for flex attention, where it has a kernel.
        blocks: The same for attention by blocks, where that is faster.
    """

    segments: Segments
    mask: "BlockMask | None" = None
    blocks: Sequence[QueryBlock] | None = None

    @classmethod
    def on(cls, device: torch.device, config: "PretrainedConfig", segments: Segments) -> "PackLayout":
        """Prepare the layout of a pack for a decoder with this configuration on a device."""
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        if has_flex_kernel(device, width):
            return cls(segments, mask=block_mask(segments, device))
        in_bfloat16 = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
        if device.type == "cpu" and in_bfloat16 and has_bfloat16_products():
            blocks = query_blocks(segments)
            return cls(segments, blocks=blocks if is_faster_by_blocks(blocks, segments, config) else None)
        return cls(segments)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
        """Attend within the pack; shapes are those of `segment_attention`."""
        if self.mask is not None:
            return attend_by_flex_kernel(query, key, value, self.mask, scale)
        if self.blocks is not None and query.shape[3] == value.shape[3]:
            return attend_by_blocks(query, key, value, self.blocks, scale)
        return segment_attention(query, key, value, self.segments, scale)


def use_pack_attention(model: "PreTrainedModel", max_seq_length: int) -> None:
    """Make a causal language model take the keyword argument `pack`.

    Args:
        model: The model.
        max_seq_length: Longest sequence in a pack, in tokens.

    Raises:
        ModelError: The architecture does not let its attention be replaced, or attends in another way.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    if not getattr(model, "_supports_attention_backend", False):
        raise ModelError(
            f"data.packing: the attention of {type(model).__name__} cannot be replaced: use --data.packing none"
        )
    check_plain_attention(model, max_seq_length)
    AttentionInterface.register(SEGMENTS_NAME, _attend)
    AttentionMaskInterface.register(SEGMENTS_NAME, sdpa_mask)
    model.set_attn_implementation(SEGMENTS_NAME)


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    pack: PackLayout | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    if pack is not None:
        return pack.attend(query, key, value, kwargs.get("scaling")).transpose(1, 2).contiguous(), None
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    plain: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    return plain


def check_plain_attention(model: "PreTrainedModel", max_seq_length: int) -> None:
    """Refuse a model whose attention is more than a softmax over all tokens before.

    Raises:
        ModelError: Its attention window is shorter than the sequences, or it caps its scores.
    """
    window = getattr(model.config, "sliding_window", None)
    if window and getattr(model.config, "use_sliding_window", True) and window < max_seq_length:
        raise ModelError(
            f"data.packing: {type(model).__name__} attends to the last {window} tokens alone, and "
            f"--data.max_seq_length is {max_seq_length}: set it to {window} at most, or use --data.packing none"
        )
    if getattr(model.config, "attn_logit_softcapping", None):
        raise ModelError(f"data.packing: {type(model).__name__} caps its attention scores: use --data.packing none")


def pack_arguments(decoder: "PreTrainedModel", ids: Tensor, segments: Segments) -> dict[str, Any]:
    """Return the keyword arguments that a decoder needs to attend within a pack.

    Args:
        decoder: Of a model prepared by `use_pack_attention`.
        ids: Token ids of the pack, (1, tokens).
        segments: Lengths and ancestors; the lengths add up to the tokens.
    """
    # The mask keeps transformers from making one of its own, (tokens, tokens) large.
    no_mask = torch.zeros(1, 1, 1, 1, dtype=torch.bool, device=ids.device)
    return {"attention_mask": no_mask, "pack": PackLayout.on(ids.device, decoder.config, segments)}
