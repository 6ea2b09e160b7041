"""The three parts of a decoder layer of Llama's kind, each with a backward pass written by hand.

Autograd keeps every intermediate result and spends a pass over memory on each sum. Here a part keeps what it cannot
make again cheaply, writes in place, and lets matrix products add to what is there. Attention itself lies between the
first two parts, elsewhere.

Shapes: hidden states are (tokens, width); a part's matrices are those of `Projection`, passed one by one because
autograd looks for tensors among the arguments. With frozen weights in bfloat16 a part rounds to it what it multiplies,
and norms and the states between parts stay in float32.
"""

from collections.abc import Sequence
from types import MethodType
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import silu

from text2sql_lightning.modeling.cpu.projection import (
    FIELDS,
    Projection,
    gradient_of_inner,
    gradient_of_input,
    gradients_of_adapters,
    plain_adapter,
    project_all,
    rounded,
)


class AttentionInput(torch.autograd.Function):
    """Norm, query, key and value projections, rotary positions on the first two."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, eps: float, cos: Tensor, sin: Tensor, *matrices: Any
    ) -> tuple[Tensor, ...]:
        """Compute the part."""
        inverse = _inverse_rms(x, eps)
        layers = _grouped(matrices)
        outputs, inner = project_all(_rounded(normalize(x, weight, inverse), layers), layers)
        outputs = [_exact(output, x) for output in outputs]
        for output in outputs[:2]:
            rotate_(output, cos, sin)
        _keep(ctx, (x, weight, inverse, cos, sin, inner), matrices)
        return tuple(outputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Give the gradients of the arguments."""
        (x, weight, inverse, cos, sin, inner), layers = _kept(ctx, 6)
        states = [gradient.clone(memory_format=torch.contiguous_format) for gradient in gradients]
        for number in (0, 1):
            rotate_(states[number], cos, -sin)
        states = [_rounded(part, layers) for part in states]
        normalized = _rounded(normalize(x, weight, inverse), layers)
        of_inner = gradient_of_inner(states, layers)
        of_matrices = gradients_of_adapters(states, normalized, inner, of_inner, layers)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_normalized = _exact(gradient_of_input(states, of_inner, layers), x)
            of_x = normalize_backward(of_normalized, x, weight, inverse)
        return of_x, None, None, None, None, *_spread(of_matrices)


class AttentionOutput(torch.autograd.Function):
    """x + projection of what attention gave."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, attended: Tensor, *matrices: Any) -> Tensor:
        """Compute the part."""
        layers = _grouped(matrices)
        attended = _rounded(attended, layers)
        (output,), inner = project_all(attended, layers)
        _keep(ctx, (attended, inner), matrices)
        return _plus(output, x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Give the gradients of the arguments."""
        (gradient,) = gradients
        (attended, inner), layers = _kept(ctx, 2)
        rounded = [_rounded(gradient, layers)]
        of_inner = gradient_of_inner(rounded, layers)
        of_attended = gradient_of_input(rounded, of_inner, layers)
        of_matrices = gradients_of_adapters(rounded, attended, inner, of_inner, layers)
        return gradient, _exact(of_attended, gradient), *_spread(of_matrices)


class GatedMlp(torch.autograd.Function):
    """x + down(silu(gate(n)) * up(n)), n = norm(x)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float, *matrices: Any) -> Tensor:
        """Compute the part."""
        inverse = _inverse_rms(x, eps)
        *first, down = _grouped(matrices)
        (gate, up), inner = project_all(_rounded(normalize(x, weight, inverse), first), first)
        (output,), inner_down = project_all(silu(gate).mul_(up), [down])
        _keep(ctx, (x, weight, inverse, gate, up, inner, inner_down), matrices)
        return _plus(output, x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Give the gradients of the arguments."""
        (gradient,) = gradients
        (x, weight, inverse, gate, up, inner, inner_down), (*first, down) = _kept(ctx, 7)
        activated = silu(gate)
        rounded = [_rounded(gradient, first)]
        of_inner = gradient_of_inner(rounded, [down])
        of_product = gradient_of_input(rounded, of_inner, [down])
        of_down = gradients_of_adapters(rounded, activated * up, inner_down, of_inner, [down])
        of_up = activated.mul_(of_product)
        of_gate = torch.ops.aten.silu_backward(of_product.mul_(up), gate)
        of_inner = gradient_of_inner([of_gate, of_up], first)
        of_normalized = gradient_of_input([of_gate, of_up], of_inner, first)
        normalized = _rounded(normalize(x, weight, inverse), first)
        of_first = gradients_of_adapters([of_gate, of_up], normalized, inner, of_inner, first)
        of_x = normalize_backward(_exact(of_normalized, x), x, weight, inverse).add_(gradient)
        return of_x, None, None, *_spread(of_first + of_down)


def normalize(x: Tensor, weight: Tensor, inverse: Tensor) -> Tensor:
    """Scale each row of x (tokens, width) by its inverse (tokens, 1) and each column by its weight (width,)."""
    return torch.mul(x, inverse).mul_(weight)


def _inverse_rms(x: Tensor, eps: float) -> Tensor:
    squares = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_()
    inverse: Tensor = squares.div_(x.shape[-1]).add_(eps).rsqrt_()
    return inverse


def normalize_backward(gradient: Tensor, x: Tensor, weight: Tensor, inverse: Tensor) -> Tensor:
    """Go back through the norm; writes over the gradient."""
    scaled = gradient.mul_(weight).mul_(inverse)
    along = torch.linalg.vecdot(scaled, x).unsqueeze_(-1).mul_(inverse.square()).div_(x.shape[-1])
    return scaled.addcmul_(x, along, value=-1)


def rotate_(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn pairs (i, i + size / 2) of each head by the angles of its position, in place.

    Args:
        states: (tokens, heads * size).
        cos: (tokens, 1, size / 2).
        sin: The same.
    """
    half = cos.shape[-1]
    first, second = states.view(states.shape[0], -1, 2, half).unbind(2)
    turned = first * sin
    first.mul_(cos).addcmul_(second, sin, value=-1)
    second.mul_(cos).add_(turned)
    return states


def _rounded(states: Tensor, layers: Sequence[Projection]) -> Tensor:
    return rounded(states, layers[0].weight.dtype)


def _exact(product: Tensor, like: Tensor) -> Tensor:
    return product[: len(like)].to(like.dtype)


def _plus(output: Tensor, x: Tensor) -> Tensor:
    return _exact(output, x).add_(x)


def _grouped(matrices: Sequence[Any]) -> list[Projection]:
    return [Projection(*matrices[start : start + FIELDS]) for start in range(0, len(matrices), FIELDS)]


def _keep(ctx: Any, states: Sequence[Tensor | None], matrices: Sequence[Any]) -> None:
    tensors = [value if isinstance(value, Tensor) else None for value in matrices]
    ctx.save_for_backward(*states, *tensors)
    ctx.scalings = [value for value in matrices if isinstance(value, float)]


def _kept(ctx: Any, count: int) -> tuple[tuple[Any, ...], list[Projection]]:
    saved = ctx.saved_tensors
    tensors = saved[count:]
    layers = [
        Projection(*tensors[number * FIELDS : (number + 1) * FIELDS])._replace(scaling=scaling)
        for number, scaling in enumerate(ctx.scalings)
    ]
    return saved[:count], layers


def _spread(gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Put the gradients of A and B where the matrices stand among a function's arguments."""
    pairs = zip(gradients[::2], gradients[1::2], strict=True)
    return [part for of_a, of_b in pairs for part in (None, None, of_a, of_b, None)]


def fuse_lora(model: torch.nn.Module) -> int:
    """Let the LoRA layers of a model add their update in place; returns how many layers were changed."""
    from peft.tuners.lora.layer import LoraLayer

    fused = 0
    for module in model.modules():
        if isinstance(module, LoraLayer) and isinstance(module.get_base_layer(), torch.nn.Linear):
            module.forward = MethodType(_forward, module)
            fused += 1
    return fused


class _AddUpdate(torch.autograd.Function):
    """base + scaling * (x A^T) B^T, written over base."""

    @staticmethod
    def forward(ctx: Any, base: Tensor, x: Tensor, a: Tensor, b: Tensor, scaling: float) -> Tensor:
        a, b = a.to(x.dtype), b.to(x.dtype)
        with torch.autocast(x.device.type, enabled=False):
            inner = torch.mm(x.flatten(0, -2), a.t())
            base.flatten(0, -2).addmm_(inner, b.t(), alpha=scaling)
        ctx.save_for_backward(x, a, b, inner)
        ctx.scaling = scaling
        ctx.mark_dirty(base)
        return base

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        x, a, b, inner = ctx.saved_tensors
        flat = gradient.flatten(0, -2)
        with torch.autocast(x.device.type, enabled=False):
            of_inner = torch.mm(flat, b).mul_(ctx.scaling)
            of_a = torch.mm(of_inner.t(), x.flatten(0, -2))
            of_b = torch.mm(flat.t(), inner).mul_(ctx.scaling)
            of_x = torch.mm(of_inner, a).view_as(x) if ctx.needs_input_grad[1] else None
        return gradient, of_x, of_a.float(), of_b.float(), None


def _forward(self: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    name = plain_adapter(self)
    if args or kwargs or name is None or not _is_trained(self.lora_A[name].weight, x):
        through_peft: Tensor = type(self).forward(self, x, *args, **kwargs)
        return through_peft
    base = self.base_layer(x)
    if not base.is_contiguous():
        base = base.contiguous()
    updated: Tensor = _AddUpdate.apply(  # type: ignore[no-untyped-call]
        base, x, self.lora_A[name].weight, self.lora_B[name].weight, self.scaling[name]
    )
    return updated


def dtype_of_products(device: torch.device) -> torch.dtype | None:
    """Give the precision that autocast asks of matrix products; None for one that adapters are not trained with."""
    if not torch.is_autocast_enabled(device.type):
        return torch.float32
    dtype = torch.get_autocast_dtype(device.type)
    return dtype if dtype == torch.bfloat16 or device.type == "cuda" else None


def _is_trained(weight: Tensor, x: Tensor) -> bool:
    """Whether gradients are wanted, of an adapter in float32 and of products in a known precision."""
    return torch.is_grad_enabled() and x.dtype == dtype_of_products(x.device) and weight.dtype == torch.float32
