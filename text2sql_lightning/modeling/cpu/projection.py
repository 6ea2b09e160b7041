"""A linear layer with its LoRA update as the matrices that it is made of, and the products of its two passes.

    y = x W^T + bias + scaling * (x A^T) B^T

W and bias are frozen. Every product adds to a matrix that is there already, so that no pass over memory is spent on
sums. Layers that read the same input, such as query, key and value, share one product for their A.

W may be in bfloat16: then x is, and the adapter, which is kept in float32, is rounded to it for the products.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from text2sql_lightning.modeling.cpu.products import add_product, dense_weight, linear, product, round_rows


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


def rounded(states: Tensor, dtype: torch.dtype) -> Tensor:
    """Give states in the precision of the weights, and with rows of zeros at the end where `round_rows` asks for it."""
    rows = round_rows(len(states), states.device, dtype)
    if states.dtype == dtype and (dtype == torch.bfloat16 or rows == len(states)):  # bfloat16 was rounded before
        return states
    result = states.new_empty(rows, states.shape[1], dtype=dtype)
    result[: len(states)] = states
    result[len(states) :] = 0
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
    outputs = [linear(x, layer.weight, layer.bias) for layer in layers]
    a = _all_a(layers)
    if a is None:
        return outputs, None
    inner = product(x, a.t())
    for number, (part, layer) in enumerate(zip(_parts(inner, layers), layers, strict=True)):
        if layer.b is not None:
            outputs[number] = add_product(outputs[number], part, layer.b.t().to(x.dtype), layer.scaling)
    return outputs, inner


def gradient_of_inner(gradients: Sequence[Tensor], layers: Sequence[Projection]) -> Tensor | None:
    """Go back from the outputs' gradients to those of the inner states of `project_all`, (tokens, sum of r)."""
    parts = [
        product(gradient, layer.b.to(gradient.dtype)).mul_(layer.scaling)
        for gradient, layer in zip(gradients, layers, strict=True)
        if layer.b is not None
    ]
    return torch.cat(parts, 1) if parts else None


def gradient_of_input(gradients: Sequence[Tensor], of_inner: Tensor | None, layers: Sequence[Projection]) -> Tensor:
    """Go back from the outputs' gradients and those of the inner states to that of x, (tokens, inputs)."""
    (gradient, layer), *others = zip(gradients, layers, strict=True)
    of_x = product(gradient, layer.weight)
    for gradient, layer in others:
        of_x = add_product(of_x, gradient, layer.weight)
    a = _all_a(layers)
    return of_x if of_inner is None or a is None else add_product(of_x, of_inner, a)


def gradients_of_adapters(
    gradients: Sequence[Tensor], x: Tensor, inner: Tensor | None, of_inner: Tensor | None, layers: Sequence[Projection]
) -> list[Tensor | None]:
    """Go back through the updates of `project_all`.

    Args:
        gradients: Those of the outputs.
        x: The input.
        inner: The inner states.
        of_inner: Their gradients.
        layers: The layers.

    Returns:
        The gradients of A and B of each layer in turn, in their precision, None without an adapter.
    """
    if inner is None or of_inner is None:
        return [None, None] * len(layers)
    of_a = _parts(product(of_inner.t(), x).t(), layers)
    of_matrices: list[Tensor | None] = []
    for gradient, layer, part, own in zip(gradients, layers, _parts(inner, layers), of_a, strict=True):
        if layer.a is None or layer.b is None:
            of_matrices += [None, None]
            continue
        of_b = product(part.t(), gradient).to(layer.b.dtype)  # faster than the other way round
        of_matrices += [own.t().to(layer.a.dtype), of_b.mul_(layer.scaling).t()]
    return of_matrices


def _all_a(layers: Sequence[Projection]) -> Tensor | None:
    parts = [layer.a.to(layer.weight.dtype) for layer in layers if layer.a is not None]
    return torch.cat(parts) if len(parts) > 1 else next(iter(parts), None)


def _parts(inner: Tensor, layers: Sequence[Projection]) -> tuple[Tensor, ...]:
    return torch.split(inner, [0 if layer.a is None else layer.a.shape[0] for layer in layers], 1)


def plain_adapter(layer: Any) -> str | None:
    """Name the adapter of peft's layer where it has one and that is plain LoRA without dropout; else None."""
    names = layer.active_adapters
    if layer.disable_adapters or layer.merged or len(names) != 1 or names[0] not in layer.lora_A:
        return None
    name: str = names[0]
    plain = (
        name not in layer.lora_variant  # DoRA and others
        and isinstance(layer.lora_dropout[name], torch.nn.Identity)
        and layer.lora_B[name].bias is None
    )
    return name if plain else None
