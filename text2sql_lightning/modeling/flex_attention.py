"""Attention within a pack on a GPU: one kernel over the whole pack that skips what nobody may see.

PyTorch's flex attention (arXiv:2412.05496) makes the kernel of a rule about pairs of tokens; the rule is that of
`packs`, one number for each token.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from text2sql_lightning.modeling.packs import Segments, ends_by_token

_BLOCK: Final = 128
"""Tokens of a block, which the kernel skips, computes in full, or pair by pair."""
_SMALLEST_WIDTH: Final = 16
"""Of a head; the kernel multiplies tiles of at least this size."""


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

    Args:
        segments: Lengths and ancestors; the lengths add up to the tokens of the pack.
        device: Where the attention runs.
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
    run: Any = _compiled() if query.device.type == "cuda" else flex_attention
    options = {"FORCE_USE_FLEX_ATTENTION": True}  # its other kernel, for few queries, has no backward pass
    grouped = query.shape[1] != key.shape[1]
    attended: Tensor = run(query, key, value, block_mask=mask, scale=scale, enable_gqa=grouped, kernel_options=options)
    return attended


@lru_cache(maxsize=1)
def _compiled() -> Callable[..., Any]:
    return torch.compile(flex_attention, dynamic=True)  # packs differ in length
