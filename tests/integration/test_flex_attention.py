import random
from typing import Any

import pytest
import torch
from torch.nn.attention.flex_attention import create_block_mask

from text2sql_lightning.modeling.pack_attention import attend_by_flex_kernel, block_mask, has_flex_kernel
from text2sql_lightning.modeling.packs import reader_ends, segment_attention

pytestmark = pytest.mark.integration

SEGMENTS = [(3, ()), (2, (0,)), (4, (0, 1)), (1, (0, 1)), (1, ()), (5, (4,))]


def test_reader_ends() -> None:
    assert reader_ends(SEGMENTS) == [10, 10, 9, 10, 16, 16]


@pytest.mark.parametrize("key_heads", [4, 2, 1])
def test_it_is_segment_attention(key_heads: int) -> None:
    """Without its kernel, as PyTorch runs it on a CPU; `tests/gpu` runs the kernel."""
    torch.manual_seed(0)
    segments = [(40 * length, ancestors) for length, ancestors in SEGMENTS]  # more than one block of 128
    tokens = sum(length for length, _ in segments)
    inputs: Any = [torch.randn(1, heads, tokens, 16, dtype=torch.float64) for heads in (4, key_heads, key_heads)]
    got = attend_by_flex_kernel(*inputs, block_mask(segments, torch.device("cpu")), scale=0.3)
    expected = segment_attention(*inputs, segments, scale=0.3)
    torch.testing.assert_close(got, expected)


def draw_segments(draw: random.Random) -> list[tuple[int, tuple[int, ...]]]:
    """A random forest of segments, each after its parent and before its parent's next sibling."""
    segments: list[tuple[int, tuple[int, ...]]] = []
    path: list[int] = []
    for number in range(draw.randint(1, 30)):
        del path[draw.randint(0, len(path)) :]
        segments.append((draw.choice((1, 5, 60, 127, 128, 129, 300)), tuple(path)))
        path.append(number)
    return segments


@pytest.mark.parametrize("seed", range(20))
def test_blocks_are_those_that_pytorch_finds_pair_by_pair(seed: int) -> None:
    segments = draw_segments(random.Random(seed))
    ours = block_mask(segments, torch.device("cpu"))
    tokens = sum(length for length, _ in segments)
    theirs = create_block_mask(ours.mask_mod, None, None, tokens, tokens, device="cpu")
    assert ours.seq_lengths == theirs.seq_lengths
    for name in ("kv_num_blocks", "full_kv_num_blocks", "q_num_blocks", "full_q_num_blocks"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name
    assert torch.equal(ours.to_dense(), theirs.to_dense())


def test_blocks_that_nobody_sees_are_skipped() -> None:
    mask = block_mask([(128, ()), (128, (0,)), (128, (0,)), (128, ())], torch.device("cpu"))
    assert mask.to_dense().int().tolist() == [[[[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]]]]


def test_where_the_kernel_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not has_flex_kernel(torch.device("cpu"), 64)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert not has_flex_kernel(torch.device("cuda"), 64)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    assert has_flex_kernel(torch.device("cuda"), 64)
    assert not has_flex_kernel(torch.device("cuda"), 80)
    assert not has_flex_kernel(torch.device("cuda"), 8)
