"""The frozen linear layers of a model on a CPU, multiplied by the faster of the two libraries that PyTorch brings.

PyTorch gives products in float32 to Intel's MKL, which does not use AVX-512 on AMD's processors. oneDNN, which does
products in bfloat16 for PyTorch, uses it everywhere: on a Zen 5 it multiplies 2.2 times as fast. Results differ by the
rounding of float32. Weights in 4 bits are dequantized once, where memory allows, instead of in every pass.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from text2sql_lightning.modeling.decoder import restored_forwards

_CPUINFO: Final = Path("/proc/cpuinfo")
_ROW_MULTIPLES: Final = ((64, 8), (512, 16), (float("inf"), 64))
"""(up to so many rows, their multiple): oneDNN compiles a kernel, and keeps it, for each number of rows."""
_LARGEST_SHARE: Final = 0.25
"""Of the machine's memory: copies of weights take no more than that."""


def accelerate(model: nn.Module) -> None:
    """Replace the `forward` of frozen linear layers on a CPU by a faster one that computes the same, to rounding.

    4-bit layers compute with dense copies if these take no more than a quarter of the machine's memory; their own
    weights stay, and are what is saved. Dense float32 layers use oneDNN where it is the faster library. Layers on a
    GPU, trained layers and layers whose `forward` was replaced before are left as they are. The frozen weights of the
    model must not change any more.
    """
    quantized: list[Any] = [module for module in model.modules() if _is_quantized_on_cpu(module)]
    sizes = [layer.weight.quant_state.shape.numel() * layer.compute_dtype.itemsize for layer in quantized]
    if _fits_in_memory(sum(sizes)):
        for layer in quantized:
            layer.forward = _FrozenLinear(*_dequantized(layer))
    if _onednn_is_faster():
        dense: list[Any] = [module for module in model.modules() if _is_dense_on_cpu(module)]
        for layer in dense:
            layer.forward = _FrozenLinear(layer.weight, layer.bias)


@contextmanager
def accelerated_generation(model: nn.Module) -> Iterator[None]:
    """Context manager that accelerates a model's layers and adds plain LoRA updates to copies of their weights.

    The adapters are merged in float32 only, and if the copies take no more than a quarter of the machine's memory.
    Afterwards the model is what it was.
    """
    with restored_forwards(model.modules()):
        accelerate(model)
        found = [] if torch.is_autocast_enabled("cpu") else _adapted_layers(model)
        if _fits_in_memory(sum(weight.nbytes for _, _, weight, _ in found)):
            for layer, name, weight, bias in found:
                a, b = layer.lora_A[name].weight, layer.lora_B[name].weight
                layer.forward = _FrozenLinear(torch.addmm(weight, b, a, alpha=layer.scaling[name]), bias)
        yield


def linear(states: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Compute `torch.nn.functional.linear` with a frozen weight and bias, by oneDNN where that is faster."""
    in_float32 = states.dtype == weight.dtype == torch.float32 and states.device.type == "cpu" and states.dim() > 1
    if not in_float32 or weight.requires_grad or torch.is_autocast_enabled("cpu") or not _onednn_is_faster():
        return functional.linear(states, weight, bias)
    product: Tensor = _OneDnnLinear.apply(states, weight, bias)  # type: ignore[no-untyped-call]
    return product


def dense_weight(layer: nn.Module) -> tuple[Tensor, Tensor | None] | None:
    """Return the matrix that a frozen linear layer multiplies by, and its bias; None if it does something else."""
    forward = vars(layer).get("forward")
    if isinstance(forward, _FrozenLinear):
        return forward.weight, forward.bias
    if type(layer) is not nn.Linear or layer.weight.requires_grad or forward is not None:
        return None
    return layer.weight, layer.bias


class _FrozenLinear:
    """The `forward` of a layer with a dense weight."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, states: Tensor) -> Tensor:
        return linear(states.to(self.weight.dtype), self.weight, self.bias).to(states.dtype)


class _OneDnnLinear(torch.autograd.Function):
    """A linear layer without gradients of its weight: PyTorch has no derivative of oneDNN's own operator."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        return _by_onednn(states, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        return _by_onednn(gradients[0], weight.t(), None), None, None


def _by_onednn(states: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if states.numel() == 0 or weight.numel() == 0:
        return functional.linear(states, weight, bias)
    flat = states.flatten(0, -2)
    rows = len(flat)
    multiple = next(multiple for most, multiple in _ROW_MULTIPLES if rows <= most)
    if rows % multiple:
        flat = functional.pad(flat, (0, 0, 0, -rows % multiple))
    product: Tensor = torch.ops.mkldnn._linear_pointwise(flat, weight, bias, "none", [], "")
    return product[:rows].view(*states.shape[:-1], len(weight))


@lru_cache(maxsize=1)
def _onednn_is_faster() -> bool:
    """Whether MKL would not use the processor's AVX-512."""
    supported: bool = (
        torch.backends.mkl.is_available()
        and torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and _is_made_by_amd()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
    return supported


def _is_made_by_amd() -> bool:
    try:
        return "AuthenticAMD" in _CPUINFO.read_text(encoding="utf-8")
    except OSError:  # no Linux: PyTorch's own choice is kept
        return False


def _is_dense_on_cpu(module: nn.Module) -> bool:
    if type(module) is not nn.Linear or "forward" in vars(module):
        return False
    weight = module.weight
    return weight.dtype == torch.float32 and weight.device.type == "cpu" and not weight.requires_grad


def _is_quantized_on_cpu(module: nn.Module) -> bool:
    weight: Any = getattr(module, "weight", None)
    state = getattr(weight, "quant_state", None)
    return (
        state is not None
        and weight.device.type == "cpu"
        and getattr(module, "compute_dtype", None) is not None  # peft's layer around it has none
        and not getattr(state, "packing_format_for_cpu", False)
        and "forward" not in vars(module)
    )


def _dequantized(layer: Any) -> tuple[Tensor, Tensor | None]:
    from bitsandbytes.functional import dequantize_4bit

    weight: Tensor = dequantize_4bit(layer.weight.data, layer.weight.quant_state)
    bias = None if layer.bias is None else layer.bias.to(layer.compute_dtype)
    return weight.to(layer.compute_dtype), bias


def _adapted_layers(model: nn.Module) -> list[tuple[Any, str, Tensor, Tensor | None]]:
    """Layers of peft with one plain float32 adapter: the layer, the adapter's name, and the frozen weight and bias."""
    layers: list[Any] = [module for module in model.modules() if hasattr(module, "lora_A")]
    found = []
    for layer in layers:
        name, dense = _plain_adapter(layer), dense_weight(layer.get_base_layer())
        if name is None or dense is None:
            continue
        parts = (dense[0], layer.lora_A[name].weight, layer.lora_B[name].weight)
        if all(part.dtype == torch.float32 and part.device.type == "cpu" for part in parts):
            found.append((layer, name, *dense))
    return found


def _plain_adapter(layer: Any) -> str | None:
    """Return the name of the layer's adapter if there is one, of plain LoRA without dropout."""
    names = layer.active_adapters
    if layer.disable_adapters or layer.merged or len(names) != 1 or names[0] not in layer.lora_A:
        return None
    name: str = names[0]
    plain = (
        name not in layer.lora_variant  # DoRA and others
        and isinstance(layer.lora_dropout[name], nn.Identity)
        and layer.lora_B[name].bias is None
    )
    return name if plain else None


def _fits_in_memory(size: float) -> bool:
    return size <= _LARGEST_SHARE * _memory()


def _memory() -> float:
    """The machine's memory in bytes, or infinity where the system does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return float("inf")
