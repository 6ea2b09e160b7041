"""Attention over packs in a model of transformers, by the way that is fastest on its device.

On a GPU one kernel attends over the whole pack and skips what nobody may see: PyTorch's flex attention
(arXiv:2412.05496) makes it of the rule of `packs`, one number for each token. On a CPU with units for bfloat16, blocks
of queries attend, if the products are in it (`cpu.block_attention`); else each segment by a call for itself (`packs`).
The function is registered with transformers (`AttentionInterface`) and stays in place for generation, where there are
no segments and transformers' own attention runs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from text2sql_lightning.errors import ModelError
from text2sql_lightning.modeling.cpu.block_attention import (
    QueryBlock,
    attend_by_blocks,
    has_bfloat16_products,
    is_faster_by_blocks,
    query_blocks,
)
from text2sql_lightning.modeling.packs import SEGMENTS_NAME, Segments, ends_by_token, segment_attention

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

_BLOCK: Final = 128
"""Tokens of a block, which the kernel skips, computes in full, or pair by pair."""
_SMALLEST_WIDTH: Final = 16
"""Of a head; the kernel multiplies tiles of at least this size."""


@dataclass(frozen=True)
class PackLayout:
    """Which tokens of a pack see which, in the form that the attention on a device takes.

    Attributes:
        segments: Lengths and ancestors.
        mask: The same for flex attention, where it has a kernel.
        blocks: The same for attention by blocks, where that is faster.
    """

    segments: Segments
    mask: BlockMask | None = None
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
    """Make a causal language model take the keyword argument `pack`, of sequences of up to so many tokens.

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


def pack_arguments(decoder: "PreTrainedModel", ids: Tensor, segments: Segments) -> dict[str, object]:
    """Return what a decoder prepared by `use_pack_attention` takes for a pack of token ids (1, tokens)."""
    # The mask keeps transformers from making one of its own, (tokens, tokens) large.
    no_mask = torch.zeros(1, 1, 1, 1, dtype=torch.bool, device=ids.device)
    return {"attention_mask": no_mask, "pack": PackLayout.on(ids.device, decoder.config, segments)}


def has_flex_kernel(device: torch.device, width: int) -> bool:
    """Return whether there is a kernel for heads of this width: on CUDA from compute capability 8, a power of 2."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < (8, 0):
        return False
    return width >= _SMALLEST_WIDTH and width & (width - 1) == 0


def block_mask(segments: Segments, device: torch.device) -> BlockMask:
    """Describe a pack to the kernel.

    PyTorch's own `create_block_mask` looks at every pair of tokens, which took 10 ms a pack, more than the attention of
    a layer. Here a block of keys is read from its own rows on, to the last reader of any of its keys, and all of it is
    read up to the first end of any of them.
    """
    ends = ends_by_token(segments)
    tokens = len(ends)
    blocks = -(-tokens // _BLOCK)
    padded = functional.pad(ends, (0, blocks * _BLOCK - tokens)).view(blocks, _BLOCK)
    rows, columns = torch.arange(blocks)[:, None], torch.arange(blocks)[None, :]
    read = (rows >= columns) & (rows * _BLOCK < padded.max(1).values)
    whole = (rows > columns) & ((rows + 1) * _BLOCK <= padded.min(1).values)
    on_device = ends.to(device)

    def sees(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (key <= query) & (query < on_device[key])

    mask = BlockMask.from_kv_blocks(
        *_in_order(read & ~whole), *_in_order(whole), BLOCK_SIZE=_BLOCK, mask_mod=sees, seq_lengths=(tokens, tokens)
    )
    return mask.to(device)


def _in_order(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """Return how many blocks of keys each row of blocks reads, and which, those first."""
    which = torch.argsort(blocks.int(), dim=1, descending=True, stable=True)
    return blocks.sum(1).int()[None, None], which.int()[None, None]


def attend_by_flex_kernel(query: Tensor, key: Tensor, value: Tensor, mask: BlockMask, scale: float | None) -> Tensor:
    """Attend within a pack; shapes are those of `packs.segment_attention`, and `mask` is the pack."""
    run = _compiled() if query.device.type == "cuda" else cast(Callable[..., Tensor], flex_attention)
    options = {"FORCE_USE_FLEX_ATTENTION": True}  # its other kernel, for few queries, has no backward pass
    grouped = query.shape[1] != key.shape[1]
    return run(query, key, value, block_mask=mask, scale=scale, enable_gqa=grouped, kernel_options=options)


@lru_cache(maxsize=1)
def _compiled() -> Callable[..., Tensor]:
    return cast(Callable[..., Tensor], torch.compile(flex_attention, dynamic=True))  # packs differ in length
