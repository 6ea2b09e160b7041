"""LoRA layers in fewer passes over memory: the update is added to the base layer's output where it lies.

peft computes `result.clone() + lora_B(lora_A(x)) * scaling`: a copy, a product and a sum, each as large as the layer's
output, and under autocast it copies the input to float32 besides. On a CPU those passes cost about a tenth of a
training step. Here one `addmm` does all three, and the backward pass scales the small (tokens, r) gradient instead of
the large one. The adapter's weights stay peft's own.

Only plain LoRA without dropout is replaced, in float32 and under autocast, where products are in 16 bits and the
adapter's weights and gradients in float32; anything else goes through peft as before.
"""

from types import MethodType
from typing import Any

import torch
from torch import Tensor


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


def _is_trained(weight: Tensor, x: Tensor) -> bool:
    """Whether gradients are wanted, of an adapter in float32 and of products in a known precision."""
    return torch.is_grad_enabled() and x.dtype == dtype_of_products(x.device) and weight.dtype == torch.float32
