"""Packs on a GPU: the kernel of flex attention, and LoRA added in place."""

from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    pytest.mark.skipif(
        torch.cuda.is_available() and torch.cuda.get_device_capability() < (8, 0),
        reason="the kernel needs compute capability 8 or higher",
    ),
]

SEGMENTS = [(3, ()), (2, (0,)), (4, (0, 1)), (1, (0, 1)), (1, ()), (5, (4,))]


def relative(got: torch.Tensor, expected: torch.Tensor) -> float:
    return float((got.double() - expected.double()).norm() / expected.double().norm())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-3), (torch.bfloat16, 1e-2)])
def test_the_kernel_is_segment_attention(dtype: torch.dtype, tolerance: float) -> None:
    """Packs of several lengths, forward and backward, against PyTorch's attention segment by segment in float64."""
    from text2sql_lightning.modeling.pack_attention import attend_by_flex_kernel, block_mask
    from text2sql_lightning.modeling.packs import segment_attention

    device = torch.device("cuda")
    torch.manual_seed(0)
    for factor in (7, 40, 61):
        segments = [(factor * length, ancestors) for length, ancestors in SEGMENTS]
        tokens = sum(length for length, _ in segments)
        inputs: Any = [torch.randn(1, heads, tokens, 64, device=device, dtype=dtype) for heads in (8, 2, 2)]
        exact: Any = [part.double() for part in inputs]
        for part in (*inputs, *exact):
            part.requires_grad_()
        got = attend_by_flex_kernel(*inputs, block_mask(segments, device), scale=0.2)
        expected = segment_attention(*exact, segments, scale=0.2)
        weights = torch.randn_like(expected)
        assert got.dtype == dtype
        assert relative(got, expected) < tolerance
        gradients = torch.autograd.grad((got * weights.to(dtype)).sum(), inputs)
        for one, other in zip(gradients, torch.autograd.grad((expected * weights).sum(), exact), strict=True):
            assert relative(one, other) < tolerance


@pytest.mark.parametrize("packing", ["sequence", "shared_prefix"])
def test_losses_with_and_without_packs(fit: Any, tiny_llama_dir: Path, packing: str) -> None:
    """All records in each batch, so that every way to pack sees the same at each step."""
    settings = {
        "precision": "32-true",
        "steps": 3,
        "quantization": "none",
        "optimizer": "adamw",
        "batch_size": 16,
        "learning_rate": 1e-3,
    }
    packed = fit(tiny_llama_dir, packing=packing, **settings)
    separate = fit(tiny_llama_dir, **settings)
    assert packed.lightning_module.tokens_seen == separate.lightning_module.tokens_seen
    for name in ("train/loss", "train/gradient_norm"):
        got, expected = (trainer.callback_metrics[name].item() for trainer in (packed, separate))
        assert got == pytest.approx(expected, rel=2e-3), name


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_lora_in_place_is_that_of_peft(tiny_llama_dir: Path, dtype: torch.dtype) -> None:
    """Gradients of the adapter on 4-bit weights under autocast, against peft's own layers in float32."""
    from text2sql_lightning.modeling.backends import LoadRequest, get_backend
    from text2sql_lightning.modeling.settings import LoraSettings

    def gradients(compute_dtype: torch.dtype, fused: bool) -> torch.Tensor:
        request = LoadRequest(
            base_model=str(tiny_llama_dir),
            quantization="nf4",
            lora=LoraSettings(r=8),
            adapter_path=None,
            trainable=True,
            compute_dtype=compute_dtype,
            device=torch.device("cuda:0"),
            gradient_checkpointing=False,
            max_seq_length=128,
            seed=0,
        )
        model = get_backend("transformers").load(request)
        torch.manual_seed(0)
        for name, module in model.named_modules():
            if not fused and hasattr(module, "lora_A"):
                vars(module).pop("forward", None)
            if name.endswith("lora_B.default"):
                torch.nn.init.normal_(module.weight, std=0.02)
        ids = torch.randint(3, 500, (4, 50), device="cuda")
        with torch.autocast("cuda", dtype=compute_dtype, enabled=compute_dtype != torch.float32):
            model(input_ids=ids, labels=ids).loss.backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    expected = gradients(torch.float32, fused=False)
    peft = relative(gradients(dtype, fused=False), expected)
    assert relative(gradients(dtype, fused=True), expected) < max(1.5 * peft, 0.02)
