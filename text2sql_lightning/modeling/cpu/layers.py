"""Decoder layers of Llama's kind on a CPU in three parts, each with its backward pass written by hand.

What is computed is what transformers and peft compute, to rounding. Under autocast to bfloat16 the matrix products are
in it, and norms, softmax and the states between layers in float32. A layer takes its usual way wherever the parts do
not fit: with keys and values kept, with other adapters than plain LoRA, with 4-bit weights of which no dense copy is
kept, and on a GPU, where Unsloth and fused kernels do this.
"""

from collections.abc import Iterable
from types import MethodType
from typing import Any, Final

import torch
from torch import Tensor

from text2sql_lightning.modeling.cpu.lora import AttentionInput, AttentionOutput, GatedMlp, dtype_of_products
from text2sql_lightning.modeling.cpu.projection import Projection, projection_of
from text2sql_lightning.modeling.loss import take
from text2sql_lightning.modeling.packs import SEGMENTS_NAME

_KINDS: Final = ("LlamaDecoderLayer", "MistralDecoderLayer", "Qwen2DecoderLayer")
_ATTENTION: Final = ("q_proj", "k_proj", "v_proj", "o_proj")
_MLP: Final = ("gate_proj", "up_proj", "down_proj")


def fuse_layers(model: torch.nn.Module) -> int:
    """Let the decoder layers of a model compute in parts; returns how many layers were changed."""
    fused = 0
    modules: Iterable[Any] = model.modules()
    for module in modules:
        if type(module).__name__ in _KINDS and type(module.mlp.act_fn).__name__ in ("SiLU", "SiLUActivation"):
            module.forward = MethodType(_forward, module)
            fused += 1
    return fused


def target_arguments(decoder: Any, positions: Tensor, tokens: int) -> dict[str, Tensor]:
    """Give the keyword argument that lets a decoder's last layer compute what has a target, and nothing else.

    Behind that layer's attention the other positions are read by nobody.

    Args:
        decoder: Its layers may be fused or not.
        positions: Of the pack's targets, (targets,).
        tokens: Length of the pack; hidden states of that length come from a layer that computed all.
    """
    layers = getattr(decoder, "layers", None)
    fused = layers is not None and getattr(vars(layers[-1]).get("forward"), "__func__", None) is _forward
    return {"targets": positions} if fused and len(positions) < tokens else {}


def target_states(decoder: Any, pack: dict[str, Any], arguments: dict[str, Any]) -> Tensor:
    """Compute the last hidden states that predict a pack's targets, (targets, width).

    Args:
        decoder: Its layers may be fused or not.
        pack: Token ids and position ids (1, tokens), target positions (targets,).
        arguments: What the backend needs for the decoder to attend within the pack.
    """
    tokens, positions = pack["input_ids"].shape[1], pack["target_positions"]
    (hidden,) = decoder(
        input_ids=pack["input_ids"],
        position_ids=pack["position_ids"],
        use_cache=False,
        **arguments,
        **target_arguments(decoder, positions, tokens),
    ).last_hidden_state
    return take(hidden, positions) if len(hidden) == tokens else hidden


def _forward(
    self: Any,
    hidden_states: Tensor,
    attention_mask: Tensor | None = None,
    position_embeddings: tuple[Tensor, Tensor] | None = None,
    past_key_values: Any = None,
    targets: Tensor | None = None,
    **kwargs: Any,
) -> Any:
    layers = _projections(self) if _fits(self, hidden_states, past_key_values) else None
    if layers is None or position_embeddings is None:
        return type(self).forward(
            self,
            hidden_states,
            attention_mask=attention_mask,
            position_embeddings=position_embeddings,
            past_key_values=past_key_values,
            **kwargs,
        )
    with torch.autocast("cpu", enabled=False):
        return _in_parts(self, hidden_states, attention_mask, position_embeddings, targets, layers, kwargs)


def _in_parts(
    layer: Any,
    hidden_states: Tensor,
    attention_mask: Tensor | None,
    position_embeddings: tuple[Tensor, Tensor],
    targets: Tensor | None,
    layers: list[Projection],
    arguments: dict[str, Any],
) -> Any:
    attention, norms = layer.self_attn, (layer.input_layernorm, layer.post_attention_layernorm)
    shape = hidden_states.shape
    x = hidden_states.flatten(0, 1).float()
    cos, sin = (part.float().expand(shape[0], -1, -1).flatten(0, 1) for part in position_embeddings)
    half = cos.shape[-1] // 2
    weights = [norm.weight.float() for norm in norms]
    heads = AttentionInput.apply(  # type: ignore[no-untyped-call]
        x, weights[0], norms[0].variance_epsilon, cos[:, None, :half], sin[:, None, :half], *_flat(layers[:3])
    )
    query, key, value = (part.view(*shape[:2], -1, attention.head_dim).transpose(1, 2) for part in heads)
    dropout = attention.attention_dropout if attention.training else 0.0
    attended, _ = _attend(attention)(
        attention, query, key, value, attention_mask, dropout=dropout, scaling=attention.scaling, **arguments
    )
    attended = attended.reshape(x.shape[0], -1)
    if targets is not None and attention.layer_idx == attention.config.num_hidden_layers - 1:
        x, attended = take(x, targets), take(attended, targets)
    x = AttentionOutput.apply(x, attended, *_flat(layers[3:4]))  # type: ignore[no-untyped-call]
    x = GatedMlp.apply(x, weights[1], norms[1].variance_epsilon, *_flat(layers[4:]))  # type: ignore[no-untyped-call]
    return x.view(shape[0], -1, shape[2])


def _fits(layer: Any, states: Tensor, past_key_values: Any) -> bool:
    return (
        past_key_values is None
        and layer.self_attn.config._attn_implementation in ("sdpa", SEGMENTS_NAME)
        and states.device.type == "cpu"
        and states.dtype in (torch.float32, dtype_of_products(states.device))
        and not (layer.input_layernorm.weight.requires_grad or layer.post_attention_layernorm.weight.requires_grad)
    )


def _projections(layer: Any) -> list[Projection] | None:
    modules = [getattr(layer.self_attn, name) for name in _ATTENTION] + [getattr(layer.mlp, name) for name in _MLP]
    found = [projection for module in modules if (projection := projection_of(module)) is not None]
    dtype = dtype_of_products(torch.device("cpu"))
    return found if len(found) == len(modules) and all(one.weight.dtype == dtype for one in found) else None


def _attend(attention: Any) -> Any:
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    return ALL_ATTENTION_FUNCTIONS[attention.config._attn_implementation]


def _flat(layers: list[Projection]) -> list[Any]:
    return [part for layer in layers for part in layer]
