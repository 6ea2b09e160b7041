"""Packs in Unsloth's layers, with stand-ins for them; the real ones run in tests/gpu and, on a CPU, in integration."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from text2sql_lightning.errors import ModelError
from text2sql_lightning.modeling.backends.unsloth import BACKEND, use_packs
from text2sql_lightning.modeling.packs import segment_attention

pytestmark = pytest.mark.unit

SEGMENTS = [(3, ()), (2, (0,)), (4, (0,))]
SOURCE = """
from types import SimpleNamespace

def run_attention(*, config, context, Q, K, V):
    return "Unsloth's own"

def forward(self, Q, K, V, causal_mask=None):
    config = SimpleNamespace(flash_varlen_kwargs={"softmax_scale": None})
    return run_attention(config=config, context=SimpleNamespace(causal_mask=causal_mask), Q=Q, K=K, V=V)
"""


def model_of(monkeypatch: pytest.MonkeyPatch, name: str, **config: Any) -> Any:
    """A model whose attention was put in its place by a module of that name."""
    module = ModuleType(name)
    exec(SOURCE, module.__dict__)
    monkeypatch.setitem(sys.modules, name, module)
    attention = type("Attention", (nn.Module,), {"forward": module.forward})()
    decoder = nn.Module()
    decoder.layers = nn.ModuleList([nn.Module()])
    decoder.layers[0].self_attn = attention
    decoder.config = SimpleNamespace(hidden_size=32, num_attention_heads=4, **config)
    model = nn.Module()
    model.get_decoder = lambda: decoder  # type: ignore[assignment]
    model.config = decoder.config
    return model


def test_packs_go_past_the_attention_of_unsloth(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(monkeypatch, "unsloth.models.llama")
    use_packs(model, 64)
    use_packs(model, 64)  # a second model of the same kind
    decoder = model.get_decoder()
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, heads, 9, 8) for heads in (4, 2, 2))
    attend = decoder.layers[0].self_attn
    got = attend(query, key, value, **BACKEND.pack_arguments(decoder, torch.zeros(1, 9), SEGMENTS))
    assert got.shape == (1, 9, 4, 8)
    torch.testing.assert_close(got, segment_attention(query, key, value, SEGMENTS, None).transpose(1, 2))
    assert attend(query, key, value) == "Unsloth's own"


def test_attention_that_bends_its_scores_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match=r"Unsloth's attention of Module does not take packs: use --model.backend"):
        use_packs(model_of(monkeypatch, "unsloth.models.gemma2"), 64)


def test_a_window_shorter_than_the_sequences_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(monkeypatch, "unsloth.models.mistral", sliding_window=32)
    use_packs(model, 32)
    with pytest.raises(ModelError, match=r"attends to the last 32 tokens alone, and --data.max_seq_length is 64"):
        use_packs(model, 64)
