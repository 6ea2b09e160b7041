"""Frozen 4-bit weights stay what they are, whatever a model has done before."""

from pathlib import Path
from typing import Any

import pytest
import torch

from text2sql_lightning.modeling.backends import LoadRequest, get_backend
from text2sql_lightning.modeling.cpu import SharedPrefixes, accelerated_generation, grouped_attention
from text2sql_lightning.modeling.settings import LoraSettings

pytestmark = pytest.mark.unit


def load(folder: Path, **changes: Any) -> Any:
    request = {
        "base_model": str(folder),
        "quantization": "nf4",
        "lora": LoraSettings(),
        "adapter_path": None,
        "trainable": True,
        "compute_dtype": torch.float32,
        "device": torch.device("cpu"),
        "gradient_checkpointing": False,
        "max_seq_length": 64,
        "seed": 1,
    }
    return get_backend("transformers").load(LoadRequest(**{**request, **changes}))


def gradients(model: Any, use_cache: bool = False) -> list[torch.Tensor]:
    ids = torch.arange(10, 40).reshape(2, 15)
    model.train()
    model.zero_grad()
    model(input_ids=ids, labels=ids, use_cache=use_cache).loss.backward()
    return [parameter.grad for parameter in model.parameters() if parameter.requires_grad]


def test_gradients_are_the_same_after_a_validation(tiny_llama_dir: Path) -> None:
    """On CPUs with AVX512-BF16 bitsandbytes would switch to a kernel without gradients in evaluation mode."""
    model = load(tiny_llama_dir)
    before = gradients(model)
    model.eval()
    with torch.no_grad():
        model(input_ids=torch.arange(8)[None])
    after = gradients(model)
    assert len(before) == len(after) == 28
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_training_and_evaluation_mode_compute_the_same(tiny_llama_dir: Path) -> None:
    model = load(tiny_llama_dir)
    ids = torch.arange(8)[None]
    with torch.no_grad():
        training, evaluation = model.train()(input_ids=ids).logits, model.eval()(input_ids=ids).logits
    assert torch.equal(training, evaluation)


def forwards_of(model: Any) -> dict[str, Any]:
    return {name: vars(module).get("forward") for name, module in model.named_modules()}


def test_dense_copies_give_the_same_bits(tiny_llama_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("text2sql_lightning.modeling.cpu.linear._onednn_is_faster", lambda: False)  # one for both
    dense = load(tiny_llama_dir)
    monkeypatch.setattr("text2sql_lightning.modeling.cpu.linear._memory", lambda: 1000.0)
    packed = load(tiny_llama_dir)
    ids = torch.arange(30).reshape(3, 10)
    with torch.inference_mode():  # with keys and values kept, layers take their usual way
        assert torch.equal(packed(input_ids=ids, use_cache=True).logits, dense(input_ids=ids, use_cache=True).logits)
    pairs = list(zip(gradients(packed, use_cache=True), gradients(dense, use_cache=True), strict=True))
    assert len(pairs) == 28
    assert all(torch.equal(one, other) for one, other in pairs)
    assert sum("_FrozenLinear" in repr(forward) for forward in forwards_of(dense).values()) == 14
    assert not any("_FrozenLinear" in repr(forward) for forward in forwards_of(packed).values())


def test_dense_copies_for_a_while_go_away(tiny_llama_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("text2sql_lightning.modeling.cpu.linear._memory", lambda: 1000.0)
    model = load(tiny_llama_dir, trainable=False)
    forwards = forwards_of(model)
    with accelerated_generation(model):
        assert forwards_of(model) == forwards
    monkeypatch.setattr("text2sql_lightning.modeling.cpu.linear._memory", lambda: 1e9)
    with accelerated_generation(model):
        assert forwards_of(model) != forwards
    assert forwards_of(model) == forwards


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_adapters_keep_no_copies_of_their_inputs(tiny_llama_dir: Path, quantization: str) -> None:
    """Under autocast q, k and v keep the state that they share; peft alone makes a float32 copy for each."""
    model = load(tiny_llama_dir, quantization=quantization, compute_dtype=torch.bfloat16)
    backend, found = get_backend("transformers"), {}
    for prepare in (backend.for_training, backend.for_inference):
        prepare(model)
        kept: dict[int, int] = {}

        def note(tensor: torch.Tensor, kept: dict[int, int] = kept) -> torch.Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autocast("cpu", torch.bfloat16), torch.autograd.graph.saved_tensors_hooks(note, lambda one: one):
            logits = model(input_ids=torch.arange(400)[None], use_cache=False).logits
        (gradient,) = torch.autograd.grad(
            logits.float().square().sum(), model.base_model.model.model.layers[0].mlp.up_proj.lora_B["default"].weight
        )
        found[prepare.__name__] = sum(kept.values()), gradient
    (ours, gradient), (theirs, expected) = found["for_training"], found["for_inference"]
    assert theirs - ours >= 2 * 400 * 64 * 4 * 2  # layers, tokens, width, copies, bytes
    assert gradient.dtype == torch.float32
    assert (gradient - expected).norm() <= 0.02 * expected.norm()


def test_grouped_attention_is_attention(tiny_llama_dir: Path) -> None:
    from transformers import DynamicCache

    model = load(tiny_llama_dir, quantization="none", trainable=False).eval()
    decoder = model.get_base_model().model
    ids, mask = torch.arange(30).reshape(3, 10), torch.ones(3, 11, dtype=torch.long)
    mask[1, :4] = 0
    states = []
    for grouped in (False, True):
        cache = DynamicCache()
        with torch.inference_mode():
            decoder(input_ids=ids, attention_mask=mask[:, :10], past_key_values=cache, use_cache=True)
            if grouped:
                with grouped_attention(model):
                    assert decoder.config._attn_implementation == "text2sql_grouped"
                    state = decoder(input_ids=ids[:, :1], attention_mask=mask, past_key_values=cache, use_cache=True)
            else:
                state = decoder(input_ids=ids[:, :1], attention_mask=mask, past_key_values=cache, use_cache=True)
        states.append(state.last_hidden_state)
    assert decoder.config._attn_implementation == "sdpa"
    assert torch.allclose(states[0], states[1], atol=1e-6)


@pytest.mark.parametrize("key_heads", [1, 2, 4])
def test_rows_attend_to_shared_prefixes_as_to_copies_of_them(key_heads: int) -> None:
    """Prefixes of three lengths, one of them none, with one, two and three rows; own columns hidden at the left."""
    from text2sql_lightning.modeling.cpu.generation_attention import _attend

    torch.manual_seed(0)
    counts, lengths, columns, size = [1, 2, 3], [5, 0, 7], 4, 8
    rows = sum(counts)
    query = torch.randn(rows, 4, 1, size)
    own = [torch.randn(rows, key_heads, columns, size) for _ in range(2)]
    prefixes = [tuple(torch.randn(key_heads, length, size) for _ in range(2)) for length in lengths]
    hidden = torch.tensor([0, 1, 2, 3, 0, 1])
    mask = (torch.arange(columns) >= hidden[:, None])[:, None, None]
    shared: Any = SharedPrefixes(counts, [[(query, query)] * 3, prefixes])
    module = type("Attention", (), {"layer_idx": 1})()
    for kept in (list(range(rows)), [0, 4, 5], [1]):
        part, picked = shared.select(kept), torch.tensor(kept)
        got, _ = _attend(
            module, query[picked], own[0][picked], own[1][picked], mask[picked], prefixes=part, scaling=0.3
        )
        for line, row in enumerate(kept):
            prefix = prefixes[[0, 1, 1, 2, 2, 2][row]]
            key, value = (torch.cat([one, two[row, :, hidden[row] :]], 1) for one, two in zip(prefix, own, strict=True))
            key, value = (part.repeat_interleave(4 // key_heads, 0) for part in (key, value))
            expected = (query[row] @ key.transpose(1, 2) * 0.3).softmax(-1) @ value
            torch.testing.assert_close(got[line, 0], expected[:, 0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_merged_adapters_compute_the_same_and_go_away(
    tiny_llama_dir: Path, monkeypatch: pytest.MonkeyPatch, quantization: str
) -> None:
    model = load(tiny_llama_dir, quantization=quantization).eval()
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    ids, before = torch.arange(30).reshape(3, 10), forwards_of(model)
    with torch.inference_mode():
        expected = model(input_ids=ids, use_cache=True).logits
        with accelerated_generation(model):
            merged = [module for module in model.modules() if hasattr(module, "lora_A") and "forward" in vars(module)]
            assert len(merged) == 14
            torch.testing.assert_close(model(input_ids=ids, use_cache=True).logits, expected, rtol=1e-4, atol=1e-5)
        assert forwards_of(model) == before
        assert torch.equal(model(input_ids=ids, use_cache=True).logits, expected)
        with torch.autocast("cpu", torch.bfloat16), accelerated_generation(model):
            assert forwards_of(model) == before  # there a sum in 16 bits would not be the same
        monkeypatch.setattr("text2sql_lightning.modeling.cpu.linear._memory", lambda: 1000.0)
        with accelerated_generation(model):
            assert forwards_of(model) == before


def test_prefixes_are_for_models_whose_attention_can_be_replaced(
    tiny_llama_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(tiny_llama_dir, quantization="none", trainable=False)
    with grouped_attention(model) as shares:
        assert shares
    monkeypatch.setattr(type(model.get_base_model().model), "_supports_attention_backend", False)
    with grouped_attention(model) as shares:
        assert not shares
