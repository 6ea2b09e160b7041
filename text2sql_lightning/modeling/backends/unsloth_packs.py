"""Packs in Unsloth's layers: on a GPU its own attention is asked to step aside for them.

There Unsloth hands its argument `causal_mask` from the decoder, untouched, to the function that attends, also when
gradient checkpointing runs a layer again. A `PackLayout` travels in it, and a function in front of Unsloth's looks for
one. On a CPU Unsloth leaves the layers to transformers, and so do packs.
"""

import inspect
from collections.abc import Callable
from typing import Any, Final

from torch import Tensor

from text2sql_lightning.errors import ModelError
from text2sql_lightning.modeling.decoder import decoder_of
from text2sql_lightning.modeling.segment_attention import (
    PackLayout,
    check_plain_attention,
    pack_arguments,
    use_segment_attention,
)
from text2sql_lightning.modeling.segments import Segments

_FUNCTION: Final = "run_attention"
_MODULES: Final = ("unsloth.models.llama", "unsloth.models.mistral")
"""Where attention is a plain softmax."""


def use_packs(model: Any, max_seq_length: int) -> None:
    """Make a model that Unsloth loaded take packs.

    Args:
        model: Without adapters, or with them.
        max_seq_length: Longest sequence in a pack, in tokens.

    Raises:
        ModelError: Its attention is none that packs can be put into.
    """
    decoder: Any = decoder_of(model)
    attention = inspect.unwrap(type(decoder.layers[0].self_attn).forward)
    if not attention.__module__.startswith("unsloth."):
        use_segment_attention(model, max_seq_length)
        return
    if attention.__module__ not in _MODULES or _FUNCTION not in attention.__globals__:
        raise ModelError(
            f"data.packing: Unsloth's attention of {type(model).__name__} does not take packs: "
            "use --model.backend transformers, or --data.packing none"
        )
    check_plain_attention(model, max_seq_length)
    run = attention.__globals__[_FUNCTION]
    if not hasattr(run, "without_packs"):
        attention.__globals__[_FUNCTION] = _with_packs(run)
    decoder._unsloth_allow_packed_overlength = True  # a pack is longer than its longest sequence


def unsloth_pack_arguments(decoder: Any, ids: Tensor, segments: Segments) -> dict[str, Any]:
    """Give the keyword arguments that a decoder prepared by `use_packs` needs to attend within a pack."""
    if hasattr(decoder, "_unsloth_allow_packed_overlength"):
        return {"causal_mask": PackLayout.on(ids.device, decoder, segments)}
    return pack_arguments(decoder, ids, segments)


def _with_packs(run: Callable[..., Tensor]) -> Callable[..., Tensor]:
    # The names are Unsloth's; it passes them as keywords. Queries, keys and values are (1, heads, tokens, width).
    def run_attention(*, config: Any, context: Any, Q: Tensor, K: Tensor, V: Tensor) -> Tensor:  # noqa: N803
        if not isinstance(context.causal_mask, PackLayout):
            return run(config=config, context=context, Q=Q, K=K, V=V)
        scale = (config.flash_varlen_kwargs or {}).get("softmax_scale")
        return context.causal_mask.attend(Q, K, V, scale).transpose(1, 2)

    run_attention.without_packs = run  # type: ignore[attr-defined]
    return run_attention
