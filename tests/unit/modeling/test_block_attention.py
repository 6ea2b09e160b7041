from types import SimpleNamespace
from typing import Any

import pytest
import torch

from text2sql_lightning.modeling.cpu.block_attention import attend_by_blocks, query_blocks
from text2sql_lightning.modeling.pack_attention import PackLayout
from text2sql_lightning.modeling.packs import segment_attention

pytestmark = pytest.mark.unit

SEGMENTS = [(37, ()), (90, (0,)), (3, (0, 1)), (60, (0, 1, 2)), (41, (0, 1)), (70, (0,)), (9, (0, 5)), (25, ())]
TOKENS = sum(length for length, _ in SEGMENTS)


def relative(got: torch.Tensor, expected: torch.Tensor) -> float:
    got, expected = got.detach().double(), expected.detach().double()
    return float((got - expected).norm() / expected.norm())


def made(key_heads: int, heads: int = 6, width: int = 32, tokens: int = TOKENS) -> list[torch.Tensor]:
    """Queries, keys and values as a layer gives them, tokens before heads in memory; numbers that bfloat16 has."""
    torch.manual_seed(0)
    shapes = [(1, tokens, n, width) for n in (heads, key_heads, key_heads)]
    return [torch.randn(shape).bfloat16().float().transpose(1, 2).requires_grad_() for shape in shapes]


def assert_segment_attention(inputs: list[torch.Tensor], segments: Any) -> None:
    """Against PyTorch's attention segment by segment, in float64."""
    exact: Any = [part.detach().double().requires_grad_() for part in inputs]
    got = attend_by_blocks(*inputs, query_blocks(segments), scale=0.3)
    expected = segment_attention(*exact, segments, scale=0.3)
    assert got.dtype == torch.float32
    assert got.shape == expected.shape
    assert relative(got, expected) < 5e-3
    weights = torch.randn_like(got).bfloat16().float()
    gradients = torch.autograd.grad((got * weights).sum(), inputs)
    for one, other in zip(gradients, torch.autograd.grad((expected * weights).sum(), exact), strict=True):
        assert one.dtype == torch.float32
        if other.norm() > 1e-9:  # where a token sees itself alone, its score changes nothing
            assert relative(one, other) < 1e-2


@pytest.mark.parametrize("key_heads", [6, 2, 1])
def test_it_is_segment_attention(key_heads: int) -> None:
    assert_segment_attention(made(key_heads), SEGMENTS)


@pytest.mark.parametrize(
    "segments", [[(1, ())], [(20, ())], [(128, ())], [(256, ())], [(128, ()), (128, (0,))], [(257, ())]]
)
def test_packs_that_just_fill_blocks(segments: Any) -> None:
    assert_segment_attention(made(2, tokens=sum(length for length, _ in segments)), segments)


def test_scores_are_in_float32() -> None:
    """One key stands out by a score of 60: in bfloat16 such scores would be 0.25 apart, and weights a quarter off."""
    inputs = [part.detach() for part in made(2)]
    inputs[1][:, :, 0] = 0
    inputs[1][:, :, 0, 0] = 60
    inputs[0][..., 0] = 1
    inputs[1][:, :, 40:, 0] = 59.7
    got = attend_by_blocks(*inputs, query_blocks(SEGMENTS), scale=1.0)
    exact: Any = [part.double() for part in inputs]
    assert relative(got, segment_attention(*exact, SEGMENTS, scale=1.0)) < 5e-3


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


def test_a_gradient_of_the_gradient_is_refused() -> None:
    inputs = made(2)
    attended = attend_by_blocks(*inputs, query_blocks(SEGMENTS), scale=None)
    (gradient,) = torch.autograd.grad((attended**2).sum(), inputs[:1], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_values_of_another_width_take_the_usual_way() -> None:
    """As in attention with latent keys and values."""
    query, key, value = made(2)
    value = value[..., :20]
    layout = PackLayout(SEGMENTS, blocks=query_blocks(SEGMENTS))
    expected = segment_attention(query, key, value, SEGMENTS, scale=None)
    assert torch.equal(layout.attend(query, key, value, None), expected)


@pytest.mark.parametrize(
    ("segments", "layers", "units", "by_blocks"),
    [
        (SEGMENTS, 30, True, True),
        (SEGMENTS, 2000, True, False),  # keeps 384 x 181 x 9 heads x 2 bytes a layer
        ([(30, ())] * 30, 30, True, False),  # 128 x 155 pairs for every four times 30 x 30
        (SEGMENTS, 30, False, False),
    ],
)
def test_a_layout_has_blocks_where_they_pay(
    monkeypatch: pytest.MonkeyPatch, segments: Any, layers: int, units: bool, by_blocks: bool
) -> None:
    monkeypatch.setattr("text2sql_lightning.modeling.pack_attention.has_bfloat16_products", lambda: units)
    config = SimpleNamespace(head_dim=64, num_attention_heads=9, num_hidden_layers=layers)
    device = torch.device("cpu")
    assert PackLayout.on(device, config, segments).blocks is None
    with torch.autocast("cpu", torch.bfloat16):
        assert (PackLayout.on(device, config, segments).blocks is not None) is by_blocks
