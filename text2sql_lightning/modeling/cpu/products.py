"""Matrix products on a CPU, in float32 by the faster of the two libraries that PyTorch brings.

PyTorch gives them to Intel's MKL, which leaves AVX-512 alone on AMD's processors. oneDNN, which does products in
bfloat16 for PyTorch, takes it wherever it is: on a Zen 5 it multiplies 2.2 times as fast. The results are those of
float32 either way, and differ by its rounding.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from text2sql_lightning.modeling.decoder import forwards_kept

_CPUINFO: Final = Path("/proc/cpuinfo")
_ROWS: Final = 64
"""Rows of a product by oneDNN are a multiple of it: a kernel is compiled, and kept, for each number of rows."""
_FEW_ROWS: Final = ((64, 8), (512, 16))
"""Generation has few rows: a finer multiple up to so many."""


def product(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """Multiply matrices.

    Args:
        a: (rows, inner).
        b: (inner, columns).
        out: (rows, columns), which MKL writes the product to.

    Returns:
        (rows, columns), not necessarily `out`.
    """
    if by_onednn(a, b):
        found: Tensor = _linear()(a, b.t(), None, "none", [], "")
        return found
    return torch.mm(a, b) if out is None else torch.mm(a, b, out=out)


def add_product(base: Tensor, a: Tensor, b: Tensor, scaling: float = 1.0) -> Tensor:
    """Add scaling * a b to base, which is written over, or not: what counts is the result."""
    if by_onednn(a, b) and base.dtype == torch.float32:
        found: Tensor = _linear().binary(a if scaling == 1.0 else a * scaling, base, b.t(), None, "add")
        return found
    return base.addmm_(a, b, alpha=scaling)


def linear(states: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Do as `torch.nn.functional.linear`; where gradients are wanted, or autocast chooses, it does this itself."""
    if torch.is_grad_enabled() or torch.is_autocast_enabled("cpu") or not by_onednn(states, weight):
        return functional.linear(states, weight, bias)
    flat = states.flatten(0, -2)
    rows = len(flat)
    multiple = next((multiple for most, multiple in _FEW_ROWS if rows <= most), _ROWS)
    if rows % multiple:
        flat = functional.pad(flat, (0, 0, 0, -rows % multiple))
    found: Tensor = _linear()(flat, weight, bias, "none", [], "")
    return found[:rows].view(*states.shape[:-1], len(weight))


def by_onednn(a: Tensor, b: Tensor) -> bool:
    """Say whether oneDNN multiplies these two, which it does where it is the faster one."""
    in_float32 = a.dtype == b.dtype == torch.float32 and a.device.type == "cpu"
    return in_float32 and a.dim() > 1 and a.shape[-1] > 0 and onednn_is_faster()


def round_rows(rows: int, device: torch.device, dtype: torch.dtype) -> int:
    """Give the number of rows that a product should have.

    Args:
        rows: So many are needed.
        device: Of the matrices.
        dtype: Of the matrices.
    """
    few_kernels = dtype == torch.bfloat16 or (dtype == torch.float32 and onednn_is_faster())
    return -(-rows // _ROWS) * _ROWS if few_kernels and device.type == "cpu" else rows


@lru_cache(maxsize=1)
def onednn_is_faster() -> bool:
    """Say whether float32 products by MKL would leave AVX-512 alone."""
    supported: bool = (
        torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and _made_by_amd()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
    return supported


def _made_by_amd() -> bool:
    try:
        return "AuthenticAMD" in _CPUINFO.read_text(encoding="utf-8")
    except OSError:  # no Linux: PyTorch's own choice stands
        return False


def _linear() -> Any:
    return torch.ops.mkldnn._linear_pointwise


_LARGEST_SHARE: Final = 0.25
"""Of the machine's memory: more than that is not taken for a copy."""


def keep_dense_copies(model: Any) -> None:
    """Let the frozen 4-bit layers of a model on a CPU compute with dense copies.

    Where the copies would take more than a quarter of the machine's memory, or on a GPU, whose kernels read 4-bit
    weights, there are none. The 4-bit weights stay what they are, and what is saved is saved from them.

    Args:
        model: A model whose 4-bit weights will not change any more, with or without adapters.
    """
    layers = [module for module in model.modules() if _is_quantized_on_cpu(module)]
    size = sum(layer.weight.quant_state.shape.numel() * layer.compute_dtype.itemsize for layer in layers)
    if fits_in_memory(size):
        for layer in layers:
            layer.forward = _DenseForward(layer)


def fits_in_memory(size: int) -> bool:
    """Say whether a copy of so many bytes takes no more than a quarter of the machine's memory."""
    return size <= _LARGEST_SHARE * _memory()


@contextmanager
def dequantized(model: Any) -> Iterator[None]:
    """Compute with dense copies as `keep_dense_copies`, and drop afterwards those that were made for this."""
    with forwards_kept(module for module in model.modules() if _is_quantized_on_cpu(module)):
        keep_dense_copies(model)
        yield


def dense_weight(layer: Any) -> tuple[Tensor, Tensor | None] | None:
    """Give the matrix that a frozen linear layer multiplies by, and its bias; None where there is none to see."""
    forward = vars(layer).get("forward")
    if isinstance(forward, _DenseForward):
        return forward.weight, forward.bias
    weight: Any = getattr(layer, "weight", None)
    if type(layer) is not torch.nn.Linear or weight.requires_grad or forward is not None:
        return None
    return weight, layer.bias


class _DenseForward:
    """What a layer does with its weight in full."""

    def __init__(self, layer: Any) -> None:
        from bitsandbytes.functional import dequantize_4bit

        self._dtype = layer.compute_dtype
        self.weight: Tensor = dequantize_4bit(layer.weight.data, layer.weight.quant_state).to(self._dtype)
        self.bias = None if layer.bias is None else layer.bias.to(self._dtype)

    def __call__(self, states: Tensor) -> Tensor:
        return linear(states.to(self._dtype), self.weight, self.bias).to(states.dtype)


def _is_quantized_on_cpu(module: Any) -> bool:
    weight: Any = getattr(module, "weight", None)
    state = getattr(weight, "quant_state", None)
    return (
        state is not None
        and weight.device.type == "cpu"
        and getattr(module, "compute_dtype", None) is not None  # peft's layer around it has none
        and not getattr(state, "packing_format_for_cpu", False)
        and not isinstance(vars(module).get("forward"), _DenseForward)
    )


def _memory() -> float:
    """Give the machine's memory in bytes, or infinity where the system does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return float("inf")
