"""Layers in parts, against numerical derivatives, and against transformers and peft as they are."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.autograd import gradcheck

from text2sql_lightning.modeling.backends import LoadRequest, get_backend
from text2sql_lightning.modeling.cpu.layers import fuse_layers, target_arguments
from text2sql_lightning.modeling.cpu.lora import AttentionInput, AttentionOutput, GatedMlp
from text2sql_lightning.modeling.loss import take
from text2sql_lightning.modeling.packs import query_blocks
from text2sql_lightning.modeling.segment_attention import pack_arguments
from text2sql_lightning.modeling.settings import LoraSettings

pytestmark = pytest.mark.unit

IDS = torch.arange(10, 40).reshape(2, 15)
TOKENS, WIDTH, HEAD, INNER = 5, 8, 4, 12
ATTENTION_ONLY = ["q_proj", "v_proj"]


@pytest.fixture(scope="module")
def folders(tiny_llama_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random models of the three architectures; Qwen2 has biases, and norms are not all ones."""
    from transformers import MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM

    shape: dict[str, Any] = {
        "vocab_size": 512, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2,
    }  # fmt: skip
    found = {"llama": tiny_llama_dir}
    for name, model_class, config in (
        ("mistral", MistralForCausalLM, MistralConfig(**shape, sliding_window=None)),
        ("qwen2", Qwen2ForCausalLM, Qwen2Config(**shape)),
    ):
        torch.manual_seed(1)
        model = model_class(config)
        for key, weight in model.named_parameters():
            if "norm" in key or "bias" in key:
                torch.nn.init.normal_(weight, 1.0 if "norm" in key else 0.0, 0.3)
        found[name] = tmp_path_factory.mktemp(name)
        model.save_pretrained(found[name])
    return found


def load(folder: Path, quantization: str, lora: LoraSettings | None, **more: Any) -> Any:
    request = LoadRequest(
        base_model=str(folder), quantization=quantization, lora=lora, adapter_path=None, trainable=True,
        device=torch.device("cpu"), max_seq_length=64, seed=1,
        **{"gradient_checkpointing": False, "compute_dtype": torch.float32, **more},
    )  # fmt: skip
    model = get_backend("transformers").load(request)
    torch.manual_seed(3)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return model.train()


def as_they_are(model: Any) -> None:
    for module in model.modules():
        if type(module).__name__.endswith("DecoderLayer") or hasattr(module, "lora_A"):
            vars(module).pop("forward", None)


def step(model: Any, **more: Any) -> tuple[torch.Tensor, list[torch.Tensor]]:
    model.zero_grad()
    loss = model(input_ids=IDS, labels=IDS, use_cache=False, **more).loss
    loss.backward()
    return loss.detach(), [parameter.grad for parameter in model.parameters() if parameter.requires_grad]


def assert_same(found: Any, expected: Any) -> None:
    torch.testing.assert_close(found[0], expected[0], rtol=1e-6, atol=0)
    assert len(found[1]) == len(expected[1]) > 0
    for one, other in zip(found[1], expected[1], strict=True):
        assert (one - other).norm() <= 1e-5 * other.norm()


def parts_in_use(model: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note the rows that each MLP computes in parts."""
    seen: list[int] = []
    apply = GatedMlp.apply
    monkeypatch.setattr(GatedMlp, "apply", lambda x, *rest: seen.append(len(x)) or apply(x, *rest))
    return seen


@pytest.mark.parametrize("architecture", ["llama", "mistral", "qwen2"])
@pytest.mark.parametrize(
    "lora", [LoraSettings(), LoraSettings(r=4, alpha=32, use_rslora=True, target_modules=ATTENTION_ONLY)]
)
def test_loss_and_gradients_are_those_of_transformers_and_peft(
    folders: Any, monkeypatch: pytest.MonkeyPatch, architecture: str, lora: LoraSettings
) -> None:
    model = load(folders[architecture], "none", lora)
    seen = parts_in_use(model, monkeypatch)
    mask = torch.ones_like(IDS)
    mask[1, :4] = 0
    found, masked = step(model), step(model, attention_mask=mask)
    assert seen == [30] * 4
    as_they_are(model)
    assert_same(found, step(model))
    assert_same(masked, step(model, attention_mask=mask))
    assert len(seen) == 4


@pytest.mark.parametrize("checkpointing", [False, True])
def test_four_bits_and_gradient_checkpointing(
    folders: Any, monkeypatch: pytest.MonkeyPatch, checkpointing: bool
) -> None:
    model = load(folders["llama"], "nf4", LoraSettings(), gradient_checkpointing=checkpointing)
    seen = parts_in_use(model, monkeypatch)
    found = step(model)
    assert seen == [30] * (4 if checkpointing else 2)
    as_they_are(model)
    assert_same(found, step(model))


def gradient_errors(found: Any, expected: Any) -> torch.Tensor:
    return torch.stack([(one - other).norm() / other.norm() for one, other in zip(found[1], expected[1], strict=True)])


@pytest.mark.parametrize("architecture", ["llama", "mistral", "qwen2"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_products_in_bfloat16_and_the_rest_in_float32(
    folders: Any, monkeypatch: pytest.MonkeyPatch, architecture: str, checkpointing: bool
) -> None:
    """Nearer to float32 than autocast alone, which keeps the states between layers and the norms in bfloat16 too."""
    exact = load(folders[architecture], "none", LoraSettings())
    for parameter in exact.parameters():
        if not parameter.requires_grad:
            parameter.data = parameter.data.bfloat16().float()
    expected = step(exact)
    more = {"compute_dtype": torch.bfloat16, "gradient_checkpointing": checkpointing}
    model = load(folders[architecture], "none", LoraSettings(), **more)
    seen = parts_in_use(model, monkeypatch)

    def autocast_step() -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            model.zero_grad()
            loss = model(input_ids=IDS, labels=IDS, use_cache=False).loss
        loss.backward()
        return loss.detach(), [parameter.grad for parameter in model.parameters() if parameter.requires_grad]

    found = autocast_step()
    assert seen == [30] * (4 if checkpointing else 2)
    as_they_are(model)
    usual = autocast_step()
    assert len(seen) == (4 if checkpointing else 2)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-3, atol=0)
    assert all(gradient.dtype == torch.float32 for gradient in found[1])
    ours, theirs = gradient_errors(found, expected), gradient_errors(usual, expected)
    assert 1e-4 < ours.mean() < theirs.mean()
    assert ours.max() < 0.05


def test_packs_in_bfloat16(folders: Any) -> None:
    """Attention by products in bfloat16: nearer to float32, too, than autocast with PyTorch's kernel."""
    segments = [(8, ()), (7, (0,)), (6, (0,)), (9, ())]
    blocks = query_blocks(segments)
    ids = torch.arange(10, 40)[None]
    positions = torch.tensor([[*range(8), *range(8, 15), *range(8, 14), *range(9)]])
    exact = load(folders["llama"], "none", LoraSettings(), packing="shared_prefix")
    for parameter in exact.parameters():
        if not parameter.requires_grad:
            parameter.data = parameter.data.bfloat16().float()
    model = load(folders["llama"], "none", LoraSettings(), packing="shared_prefix", compute_dtype=torch.bfloat16)
    weights = torch.randn(30, exact.config.hidden_size, generator=torch.Generator().manual_seed(2))

    def run(model: Any, autocast: bool, by_blocks: bool) -> Any:
        decoder = model.get_base_model().model
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            arguments = pack_arguments(decoder, ids, segments)
            arguments["pack"] = replace(arguments["pack"], blocks=blocks if by_blocks else None)
            states = decoder(input_ids=ids, position_ids=positions, use_cache=False, **arguments).last_hidden_state
        loss = (states.float()[0] * weights).sum()
        loss.backward()
        return loss.detach(), [parameter.grad for parameter in model.parameters() if parameter.requires_grad]

    expected, found = run(exact, autocast=False, by_blocks=False), run(model, autocast=True, by_blocks=True)
    as_they_are(model)
    usual = run(model, autocast=True, by_blocks=False)
    ours, theirs = gradient_errors(found, expected), gradient_errors(usual, expected)
    assert 1e-4 < ours.mean() < theirs.mean()
    assert ours.max() < 0.05


def test_four_bits_in_bfloat16(folders: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = step(load(folders["llama"], "nf4", LoraSettings()))
    model = load(folders["llama"], "nf4", LoraSettings(), compute_dtype=torch.bfloat16)
    seen = parts_in_use(model, monkeypatch)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(input_ids=IDS, labels=IDS, use_cache=False).loss
    loss.backward()
    assert seen == [30] * 2
    torch.testing.assert_close(loss.detach(), exact[0], rtol=1e-2, atol=0)


@pytest.mark.parametrize("lora", [LoraSettings(dropout=0.3), LoraSettings(use_dora=True)])
def test_dropout_and_dora_stay_with_peft(folders: Any, monkeypatch: pytest.MonkeyPatch, lora: LoraSettings) -> None:
    model = load(folders["llama"], "none", lora)
    seen = parts_in_use(model, monkeypatch)
    torch.manual_seed(5)
    found = step(model)[0]
    as_they_are(model)
    torch.manual_seed(5)
    assert torch.equal(step(model)[0], found)
    assert seen == []


def test_trained_norms_take_the_usual_way(folders: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(folders["llama"], "none", LoraSettings())
    norm = model.get_base_model().model.layers[0].post_attention_layernorm.weight.requires_grad_()
    seen = parts_in_use(model, monkeypatch)
    step(model)
    assert norm.grad is not None
    assert len(seen) == 1


def test_autocast_and_kept_keys_take_the_usual_way(folders: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(folders["llama"], "none", LoraSettings()).eval()
    seen = parts_in_use(model, monkeypatch)
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            model(input_ids=IDS, use_cache=False)
        model(input_ids=IDS, use_cache=True)
    assert seen == []


def test_without_the_adapter_the_base_model_answers(folders: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(folders["llama"], "none", LoraSettings()).eval()
    seen = parts_in_use(model, monkeypatch)
    bare = load(folders["llama"], "none", None).eval()
    with torch.no_grad():
        with model.disable_adapter():
            found = model(input_ids=IDS, use_cache=False).logits
        as_they_are(bare)
        torch.testing.assert_close(found, bare(input_ids=IDS, use_cache=False).logits, rtol=1e-5, atol=1e-6)
    assert len(seen) == 2


def test_the_last_layer_computes_what_has_a_target(folders: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(folders["llama"], "none", LoraSettings())
    decoder = model.get_base_model().model
    positions = torch.tensor([3, 9, 9, 14])
    weights = torch.randn(4, decoder.config.hidden_size, generator=torch.Generator().manual_seed(2))

    def run(**more: Any) -> Any:
        model.zero_grad()
        (hidden,) = decoder(input_ids=IDS[:1], use_cache=False, **more).last_hidden_state
        states = hidden if more else take(hidden, positions)
        loss = (states * weights).sum()
        loss.backward()
        return loss.detach(), [parameter.grad for parameter in model.parameters() if parameter.requires_grad]

    seen = parts_in_use(model, monkeypatch)
    arguments = target_arguments(decoder, positions, 15)
    found = run(**arguments)
    assert seen == [15, 4]
    assert_same(found, run())
    assert target_arguments(decoder, positions, 4) == {}
    as_they_are(model)
    assert target_arguments(decoder, positions, 15) == {}


def test_gelu_is_left_alone(tiny_llama_dir: Path) -> None:
    model = load(tiny_llama_dir, "none", None)
    assert fuse_layers(model) == 2
    for layer in model.model.layers:
        layer.mlp.act_fn = torch.nn.GELU()
    assert fuse_layers(model) == 0


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def frozen(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def matrices(inputs: int, outputs: int, adapter: bool = True) -> list[Any]:
    update = [draw(3, inputs), draw(outputs, 3)] if adapter else [None, None]
    return [frozen(outputs, inputs), frozen(outputs), *update, 0.7]


def test_derivatives_of_the_attention_input() -> None:
    torch.manual_seed(0)
    angles = torch.rand(TOKENS, 1, HEAD // 2, dtype=torch.float64)
    layers = [*matrices(WIDTH, 2 * HEAD), *matrices(WIDTH, HEAD, adapter=False), *matrices(WIDTH, HEAD)]
    assert gradcheck(
        AttentionInput.apply, (draw(TOKENS, WIDTH), frozen(WIDTH), 1e-5, angles.cos(), angles.sin(), *layers)
    )


def test_derivatives_of_the_attention_output() -> None:
    torch.manual_seed(0)
    assert gradcheck(AttentionOutput.apply, (draw(TOKENS, WIDTH), draw(TOKENS, 6), *matrices(6, WIDTH)))
    assert gradcheck(AttentionOutput.apply, (draw(TOKENS, WIDTH), draw(TOKENS, 6), *matrices(6, WIDTH, adapter=False)))


def test_derivatives_of_the_mlp() -> None:
    torch.manual_seed(0)
    layers = [*matrices(WIDTH, INNER), *matrices(WIDTH, INNER), *matrices(INNER, WIDTH)]
    assert gradcheck(GatedMlp.apply, (draw(TOKENS, WIDTH), frozen(WIDTH), 1e-5, *layers))
