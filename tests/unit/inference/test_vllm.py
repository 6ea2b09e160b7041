"""What vLLM is asked, and what becomes of its answers: by its interface alone, which no GPU has answered here."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from text2sql_lightning.errors import ConfigError
from text2sql_lightning.inference import vllm
from text2sql_lightning.inference.generator import Generator
from text2sql_lightning.inference.vllm import VllmEngine, check_vllm
from text2sql_lightning.modeling.backends import Hardware
from text2sql_lightning.modeling.settings import GenerationSettings
from text2sql_lightning.text.tokenizer import encode_texts, load_tokenizer

pytestmark = pytest.mark.unit

GPU = Hardware((9, 0))


@pytest.fixture
def tokenizer(tiny_llama_dir: Path) -> Any:
    return load_tokenizer(str(tiny_llama_dir))


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 12}), encoding="utf-8")
    return tmp_path


def record_calls(monkeypatch: pytest.MonkeyPatch, written: list[list[int]]) -> dict[str, Any]:
    """Put a vLLM in place that notes what it is asked, and answers with given token ids."""
    calls: dict[str, Any] = {}

    class LLM:
        def __init__(self, **settings: Any) -> None:
            calls["engine"] = settings

        def generate(self, prompts: Any, sampling: Any, lora_request: Any = None) -> Any:
            calls.update(prompts=prompts, sampling=sampling, adapter=lora_request)
            return [SimpleNamespace(outputs=[SimpleNamespace(token_ids=ids)]) for ids in written]

    modules: dict[str, Any] = {name: ModuleType(name) for name in ("vllm", "vllm.lora", "vllm.lora.request")}
    modules["vllm"].LLM = LLM
    modules["vllm"].SamplingParams = dict
    modules["vllm.lora.request"].LoRARequest = lambda *given: given
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return calls


def test_the_same_tokens_the_adapter_and_four_bits(
    monkeypatch: pytest.MonkeyPatch, tokenizer: Any, adapter: Path
) -> None:
    written = [*encode_texts(tokenizer, ["SELECT 1; and more", "SELECT 2", "SELECT " + "3" * 9])]
    bos = len(encode_texts(tokenizer, [""])[0])
    written = [ids[bos:] for ids in written]
    written[1].append(tokenizer.eos_token_id)
    calls = record_calls(monkeypatch, written)
    prompts = ["one", "another prompt", "a third"]
    engine = VllmEngine(tokenizer, "base", adapter, "nf4")
    answers = Generator(engine).generate(prompts, GenerationSettings(max_new_tokens=20, seed=7))
    encoded = encode_texts(tokenizer, prompts)
    assert calls["engine"] == {
        "model": "base",
        "quantization": "bitsandbytes",
        "max_model_len": max(map(len, encoded)) + 20,
        "enable_prefix_caching": True,
        "trust_remote_code": False,
        "enable_lora": True,
        "max_lora_rank": 16,
    }
    assert calls["prompts"] == [{"prompt_token_ids": ids} for ids in encoded]
    assert calls["sampling"] == {
        "temperature": 0.0,
        "top_p": 1.0,
        "max_tokens": 20,
        "seed": 7,
        "stop_token_ids": [tokenizer.eos_token_id],
    }
    assert calls["adapter"] == ("adapter", 1, str(adapter))
    assert [answer.sql for answer in answers[:2]] == ["SELECT 1", "SELECT 2"]
    assert "more" not in answers[0].raw
    assert [answer.finished for answer in answers] == [True, True, False]
    assert answers[1].token_ids == tuple(written[1])
    assert answers[2].num_tokens == len(written[2])


def test_the_base_model_in_full_precision(monkeypatch: pytest.MonkeyPatch, tokenizer: Any) -> None:
    calls = record_calls(monkeypatch, [[tokenizer.eos_token_id]])
    (answer,) = Generator(VllmEngine(tokenizer, "base", None, "none")).generate(["one"])
    assert calls["engine"]["quantization"] is None
    assert "enable_lora" not in calls["engine"]
    assert calls["adapter"] is None
    assert (answer.sql, answer.num_tokens, answer.finished) == ("", 1, True)


@pytest.mark.parametrize("settings", [{"num_beams": 2}, {"num_samples": 3, "temperature": 0.5}])
def test_one_answer_each(tokenizer: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="--engine vllm gives one answer"):
        VllmEngine(tokenizer, "base", None, "none").samples(["one"], GenerationSettings(**settings))


def test_a_rank_without_room(monkeypatch: pytest.MonkeyPatch, tokenizer: Any, adapter: Path) -> None:
    record_calls(monkeypatch, [])
    (adapter / "adapter_config.json").write_text(json.dumps({"r": 1024}), encoding="utf-8")
    with pytest.raises(ConfigError, match="rank 512 at most"):
        VllmEngine(tokenizer, "base", adapter, "none").samples(["one"], GenerationSettings())


@pytest.mark.parametrize(
    ("hardware", "quantization", "installed", "words"),
    [
        (Hardware(None), "nf4", True, "needs a GPU"),
        (GPU, "int8", True, "nf4 or none, not int8"),
        (GPU, "nf4", False, "needs vLLM, which is not installed: pip install"),
    ],
)
def test_where_it_cannot_answer(
    monkeypatch: pytest.MonkeyPatch, hardware: Hardware, quantization: Any, installed: bool, words: str
) -> None:
    monkeypatch.setattr(vllm, "find_spec", lambda name: object() if installed else None)
    with pytest.raises(ConfigError, match=words):
        check_vllm(hardware, quantization)


def test_where_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm, "find_spec", lambda name: object())
    check_vllm(GPU, "nf4")
    check_vllm(GPU, "none")
