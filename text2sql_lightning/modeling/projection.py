"""A linear layer with its LoRA update as the matrices that it is made of, and the products of its two passes.

    y = x W^T + bias + scaling * (x A^T) B^T

W and bias are frozen. Every product adds to a matrix that is there already (`addmm`), so that no pass over memory is
spent on sums. Layers that read the same input, such as query, key and value, share one product for their A.

W may be in bfloat16: then x is, and the adapter, which is kept in float32, is rounded to it for the products.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from text2sql_lightning.modeling.dequantized import dense_weight
from text2sql_lightning.modeling.fused_lora import plain_adapter


class Projection(NamedTuple):
    """Matrices of a layer.

    Attributes:
        weight: (outputs, inputs), frozen.
        bias: (outputs,), frozen, or None.
        a: (r, inputs), or None without an adapter.
        b: (outputs, r), or None.
        scaling: Factor on the update.
    """

    weight: Tensor
    bias: Tensor | None = None
    a: Tensor | None = None
    b: Tensor | None = None
    scaling: float = 1.0


FIELDS = len(Projection._fields)

_ROWS: Final = 64
"""Rows of a product in bfloat16 are a multiple of it: oneDNN compiles, and keeps, a kernel for each number of rows."""


def rounded(states: Tensor, dtype: torch.dtype) -> Tensor:
    """Give states in the precision of the weights; where that is another one, with rows of zeros at the end."""
    if states.dtype == dtype:
        return states
    rows = len(states)
    result = states.new_empty(-(-rows // _ROWS) * _ROWS, states.shape[1], dtype=dtype)
    result[:rows] = states
    result[rows:] = 0
    return result


def projection_of(layer: Any) -> Projection | None:
    """Give the matrices of a linear layer, with or without a LoRA adapter of peft.

    Returns:
        None where the layer is something else: other adapters, dropout, several adapters, a trained or a 4-bit weight.
    """
    from peft.tuners.lora.layer import LoraLayer

    if not isinstance(layer, LoraLayer):
        dense = dense_weight(layer)
        return None if dense is None else Projection(*dense)
    dense = dense_weight(layer.get_base_layer())
    if dense is None or layer.merged:
        return None
    if layer.disable_adapters:
        return Projection(*dense)
    name = plain_adapter(layer)
    if name is None:
        return None
    a, b = (getattr(layer, part)[name].weight for part in ("lora_A", "lora_B"))
    return Projection(*dense, a, b, layer.scaling[name])


def project_all(x: Tensor, layers: Sequence[Projection]) -> tuple[list[Tensor], Tensor | None]:
    """Compute layers that read the same input.

    Args:
        x: (tokens, inputs), in the precision of the frozen weights.
        layers: With adapters or without.

    Returns:
        Their outputs (tokens, outputs), and the inner states of their updates beside each other (tokens, sum of r), or
        None without any adapter.
    """
    outputs = [
        torch.mm(x, layer.weight.t()) if layer.bias is None else torch.addmm(layer.bias, x, layer.weight.t())
        for layer in layers
    ]
    a = _all_a(layers)
    if a is None:
        return outputs, None
    inner = torch.mm(x, a.t())
    for output, part, layer in zip(outputs, _parts(inner, layers), layers, strict=True):
        if layer.b is not None:
            output.addmm_(part, layer.b.t().to(x.dtype), alpha=layer.scaling)
    return outputs, inner


def gradient_of_input(gradients: Sequence[Tensor], layers: Sequence[Projection]) -> Tensor:
    """Go back through the frozen part of `project_all`: from the outputs' gradients to that of x, (tokens, inputs)."""
    (gradient, layer), *others = zip(gradients, layers, strict=True)
    of_x = torch.mm(gradient, layer.weight)
    for gradient, layer in others:
        of_x.addmm_(gradient, layer.weight)
    return of_x


def gradients_of_adapters(
    gradients: Sequence[Tensor], x: Tensor, inner: Tensor | None, layers: Sequence[Projection], of_x: Tensor | None
) -> list[Tensor | None]:
    """Go back through the updates of `project_all`.

    Args:
        gradients: Those of the outputs.
        x: The input.
        inner: The inner states.
        layers: The layers.
        of_x: The gradient of the input, to which that of the updates is added; None where nobody asks for it.

    Returns:
        The gradients of A and B of each layer in turn, in their precision, None without an adapter.
    """
    a = _all_a(layers)
    if inner is None or a is None:
        return [None, None] * len(layers)
    of_inner = torch.empty_like(inner)
    of_b: list[Tensor | None] = []
    for gradient, layer, part, own in zip(
        gradients, layers, _parts(inner, layers), _parts(of_inner, layers), strict=True
    ):
        if layer.b is None:
            of_b.append(None)
            continue
        torch.mm(gradient, layer.b.to(x.dtype), out=own).mul_(layer.scaling)
        of_part = torch.mm(part.t(), gradient).to(layer.b.dtype)  # faster than the other way round
        of_b.append(of_part.mul_(layer.scaling).t())
    of_a = _parts(torch.mm(of_inner.t(), x).t(), layers)
    if of_x is not None:
        of_x.addmm_(of_inner, a)
    pairs = zip(layers, of_a, of_b, strict=True)
    return [
        part
        for layer, one, other in pairs
        for part in ((None, None) if layer.a is None else (one.t().to(layer.a.dtype), other))
    ]


def _all_a(layers: Sequence[Projection]) -> Tensor | None:
    parts = [layer.a.to(layer.weight.dtype) for layer in layers if layer.a is not None]
    return torch.cat(parts) if len(parts) > 1 else next(iter(parts), None)


def _parts(inner: Tensor, layers: Sequence[Projection]) -> tuple[Tensor, ...]:
    return torch.split(inner, [0 if layer.a is None else layer.a.shape[0] for layer in layers], 1)
