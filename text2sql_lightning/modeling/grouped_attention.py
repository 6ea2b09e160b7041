"""Attention of one new token with grouped heads, without copying the keys and values for every head.

Llama and Mistral have several query heads for one head of keys and values. transformers repeats the latter in memory
before it calls PyTorch's attention, at every step and in every layer, which costs more than all matrix products of a
small model. With a single query position the heads of a group can be laid out as positions instead, and nothing is
copied.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from text2sql_lightning.modeling.decoder import decoder_of
from text2sql_lightning.modeling.segment_attention import NAME as SEGMENTS_NAME

_NAME: Final = "text2sql_grouped"


@contextmanager
def grouped_attention(model: Any) -> Iterator[None]:
    """Let a model on a CPU use grouped attention where it would use PyTorch's; any other model stays as it is."""
    config = getattr(decoder_of(model), "config", None)
    device = model.get_input_embeddings().weight.device
    # Unsloth has attention of its own.
    before = getattr(config, "_attn_implementation", None)
    if before not in ("sdpa", SEGMENTS_NAME) or device.type != "cpu" or "unsloth" in sys.modules:
        yield
        return
    assert config is not None
    _register()
    config._attn_implementation = _NAME
    try:
        yield
    finally:
        config._attn_implementation = before


@lru_cache(maxsize=1)
def _register() -> None:
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
    from transformers.modeling_utils import AttentionInterface

    AttentionInterface.register(_NAME, _attend)
    AttentionMaskInterface.register(_NAME, sdpa_mask)


def _attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **settings: Any
) -> tuple[Tensor, None]:
    """Attend as transformers' `sdpa` does; query is (batch, heads, positions, size)."""
    batch, heads, positions, size = query.shape
    if positions > 1 or key.shape[1] == heads or settings.get("position_bias") is not None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        output: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **settings)
        return output
    grouped = query.reshape(batch, key.shape[1], -1, size)
    attended = scaled_dot_product_attention(
        grouped, key, value, attn_mask=attention_mask, scale=settings.get("scaling")
    )
    return attended.reshape(batch, 1, heads, size), None
