from types import SimpleNamespace
from typing import Any

import pytest
import torch

from text2sql_lightning.modeling.block_attention import attend_by_blocks
from text2sql_lightning.modeling.query_blocks import query_blocks
from text2sql_lightning.modeling.segment_attention import PackLayout, segment_attention

pytestmark = pytest.mark.unit

SEGMENTS = [(37, ()), (90, (0,)), (3, (0, 1)), (60, (0, 1, 2)), (41, (0, 1)), (70, (0,)), (9, (0, 5)), (25, ())]
TOKENS = sum(length for length, _ in SEGMENTS)


def relative(got: torch.Tensor, expected: torch.Tensor) -> float:
    got, expected = got.detach().double(), expected.detach().double()
    return float((got - expected).norm() / expected.norm())


def made(key_heads: int, heads: int = 6, width: int = 32) -> list[torch.Tensor]:
    """Queries, keys and values as a layer gives them: tokens before heads in memory."""
    torch.manual_seed(0)
    return [torch.randn(1, TOKENS, n, width).transpose(1, 2).requires_grad_() for n in (heads, key_heads, key_heads)]


@pytest.mark.parametrize("key_heads", [6, 2, 1])
def test_it_is_segment_attention(key_heads: int) -> None:
    """Against PyTorch's attention segment by segment, in float64 and on the same numbers rounded to bfloat16."""
    inputs = made(key_heads)
    exact: Any = [part.detach().bfloat16().double().requires_grad_() for part in inputs]
    got = attend_by_blocks(*inputs, query_blocks(SEGMENTS), scale=0.3)
    expected = segment_attention(*exact, SEGMENTS, scale=0.3)
    assert got.dtype == torch.float32
    assert got.shape == expected.shape
    assert relative(got, expected) < 5e-3
    weights = torch.randn_like(got).bfloat16().float()
    gradients = torch.autograd.grad((got * weights).sum(), inputs)
    for one, other in zip(gradients, torch.autograd.grad((expected * weights).sum(), exact), strict=True):
        assert one.dtype == torch.float32
        assert relative(one, other) < 1e-2


def test_scores_are_as_exact_as_rounded_factors_allow() -> None:
    """One key stands out by a score of 60: in bfloat16 such scores would be 0.25 apart, and weights a quarter off."""
    inputs = [part.detach() for part in made(2)]
    inputs[1][:, :, 0] = 0
    inputs[1][:, :, 0, 0] = 60
    inputs[0][..., 0] = 1
    inputs[1][:, :, 40:, 0] = 59.7
    got = attend_by_blocks(*inputs, query_blocks(SEGMENTS), scale=1.0)
    rounded: Any = [part.bfloat16().double() for part in inputs]
    assert relative(got, segment_attention(*rounded, SEGMENTS, scale=1.0)) < 5e-3


def test_states_in_bfloat16_stay_so() -> None:
    inputs = [part.detach().bfloat16().requires_grad_() for part in made(2)]
    got = attend_by_blocks(*inputs, query_blocks(SEGMENTS), scale=None)
    assert got.dtype == torch.bfloat16
    assert {part.dtype for part in torch.autograd.grad(got.sum(), inputs)} == {torch.bfloat16}


def test_under_autocast_scores_stay_in_float32() -> None:
    inputs = made(2)
    expected = attend_by_blocks(*inputs, query_blocks(SEGMENTS), scale=None)
    with torch.autocast("cpu", torch.bfloat16):
        got = attend_by_blocks(*inputs, query_blocks(SEGMENTS), scale=None)
    assert torch.equal(got, expected)


def test_other_products_keep_their_precision() -> None:
    """The setting is the process's: it is as before afterwards, and where the attention fails."""
    matmul: Any = torch.backends.mkldnn.matmul
    before = matmul.fp32_precision
    inputs = made(2)
    attend_by_blocks(*inputs, query_blocks(SEGMENTS), scale=None)
    assert matmul.fp32_precision == before
    with pytest.raises((RuntimeError, IndexError)):
        attend_by_blocks(*inputs, query_blocks([(TOKENS + 200, ())]), scale=None)
    assert matmul.fp32_precision == before
    torch.get_float32_matmul_precision()  # raises where old and new settings contradict each other


@pytest.mark.parametrize(("layers", "by_blocks"), [(30, True), (2000, False)])
def test_a_layout_has_blocks_where_products_are_in_bfloat16(layers: int, by_blocks: bool) -> None:
    """And where the weights that are kept for the backward pass are few: 384 x 160 x 9 heads x 2 bytes a layer."""
    config = SimpleNamespace(head_dim=64, num_attention_heads=9, num_hidden_layers=layers)
    decoder, device = SimpleNamespace(config=config), torch.device("cpu")
    assert PackLayout.on(device, decoder, SEGMENTS).blocks is None
    with torch.autocast("cpu", torch.bfloat16):
        assert (PackLayout.on(device, decoder, SEGMENTS).blocks is not None) is by_blocks
