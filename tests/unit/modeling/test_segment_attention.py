from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.nn import functional

from text2sql_lightning.errors import ModelError
from text2sql_lightning.modeling.pack_attention import check_plain_attention, use_pack_attention
from text2sql_lightning.modeling.packs import segment_attention

pytestmark = pytest.mark.unit

SEGMENTS = [(3, ()), (2, (0,)), (4, (0, 1)), (1, (0, 1)), (1, ()), (5, (4,))]


def dense_mask(segments: Any) -> torch.Tensor:
    """Who sees whom, pair by pair."""
    owner = [number for number, (length, _) in enumerate(segments) for _ in range(length)]
    return torch.tensor(
        [
            [other in segments[own][1] or (other == own and j <= i) for j, other in enumerate(owner)]
            for i, own in enumerate(owner)
        ]
    )


@pytest.mark.parametrize("key_heads", [4, 2, 1])
def test_it_is_attention_with_a_dense_mask(key_heads: int) -> None:
    torch.manual_seed(0)
    tokens = sum(length for length, _ in SEGMENTS)
    query = torch.randn(1, 4, tokens, 8, dtype=torch.float64, requires_grad=True)
    key, value = (torch.randn(1, key_heads, tokens, 8, dtype=torch.float64, requires_grad=True) for _ in range(2))
    got = segment_attention(query, key, value, SEGMENTS, scale=0.3)
    repeated = (part.repeat_interleave(4 // key_heads, 1) for part in (key, value))
    expected = functional.scaled_dot_product_attention(query, *repeated, attn_mask=dense_mask(SEGMENTS), scale=0.3)
    torch.testing.assert_close(got, expected)
    weights = torch.randn_like(got)
    inputs = (query, key, value)
    torch.testing.assert_close(
        torch.autograd.grad((got * weights).sum(), inputs), torch.autograd.grad((expected * weights).sum(), inputs)
    )


def test_bfloat16() -> None:
    torch.manual_seed(0)
    parts = [torch.randn(1, 2, sum(length for length, _ in SEGMENTS), 4) for _ in range(3)]
    expected = segment_attention(*parts, SEGMENTS, scale=None)
    got = segment_attention(*(part.bfloat16() for part in parts), SEGMENTS, scale=None)
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got.float(), expected, rtol=0, atol=0.02)


def test_a_validation_does_not_disturb_training() -> None:
    query = torch.randn(1, 2, sum(length for length, _ in SEGMENTS), 4, requires_grad=True)
    with torch.inference_mode():
        first = segment_attention(query, query, query, SEGMENTS, scale=None)
    second = segment_attention(query, query, query, SEGMENTS, scale=None)
    second.sum().backward()
    assert torch.equal(first, second)


def test_an_architecture_whose_attention_cannot_be_replaced_is_refused() -> None:
    class Old(torch.nn.Module):
        _supports_attention_backend = False

    with pytest.raises(ModelError, match=r"attention of Old cannot be replaced: use --data\.packing none"):
        use_pack_attention(Old(), 2048)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sliding_window": 100}, "attends to the last 100 tokens alone"),
        ({"attn_logit_softcapping": 50.0}, "caps its attention scores"),
    ],
)
def test_attention_of_another_kind_is_refused(settings: Any, message: str) -> None:
    class Model:
        config = SimpleNamespace(**settings)

    with pytest.raises(ModelError, match=f"data.packing: Model {message}"):
        check_plain_attention(Model(), 2048)


def test_a_window_that_no_sequence_reaches_is_fine() -> None:
    check_plain_attention(SimpleNamespace(config=SimpleNamespace(sliding_window=2048)), 2048)
    check_plain_attention(SimpleNamespace(config=SimpleNamespace(sliding_window=32, use_sliding_window=False)), 2048)
