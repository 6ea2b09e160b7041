"""What every tier shares: no network, no traces in global state, two tiny models and small files of records."""

import json
import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Read when the libraries are imported, so this must stand before any of them; commands started by tests inherit it.
os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
    "TOKENIZERS_PARALLELISM": "false",
}

from text2sql_lightning.text.prompts import INSTRUCTION, format_input

# The same examples every time: a change fails for what it did. `--hypothesis-profile=search` looks for new ones.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.register_profile("search", settings.get_profile("default"))
settings.load_profile("repeatable")

PAD, BOS, EOS = "<|endoftext|>", "<|im_start|>", "<|im_end|>"

# table, text column, number column: six for each of train, val and test
_TABLES = {
    "train": [
        ("singer", "name", "age"),
        ("stadium", "city", "capacity"),
        ("airport", "code", "elevation"),
        ("student", "major", "credits"),
        ("ship", "flag", "tonnage"),
        ("film", "title", "minutes"),
    ],
    "val": [
        ("museum", "country", "founded"),
        ("farm", "crop", "hectares"),
        ("book", "author", "pages"),
        ("river", "mouth", "length"),
        ("bridge", "material", "span"),
        ("team", "coach", "wins"),
    ],
    "test": [
        ("hotel", "street", "rooms"),
        ("planet", "moon", "radius"),
        ("recipe", "chef", "calories"),
        ("train_line", "operator", "stations"),
        ("album", "label", "sales"),
        ("wine", "grape", "points"),
    ],
}
_QUESTIONS = (
    ("How many {table} rows are there?", "SELECT COUNT(*) FROM {table}"),
    ("Which {text} has a {number} above {limit}?", "SELECT {text} FROM {table} WHERE {number} > {limit}"),
    ("List every {text} in order of {number}.", "SELECT {text} FROM {table} ORDER BY {number}"),
    (
        "What is the largest {number} for the {text} 'Alpha {limit}'?",
        "SELECT MAX({number}) FROM {table} WHERE {text} = 'Alpha {limit}'",
    ),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse an id with today's date in it: processes that share the tests have to collect the same ones."""
    today = datetime.now(UTC).date().isoformat()
    if changing := [item.nodeid for item in items if today in item.nodeid]:
        raise pytest.UsageError(f"{changing[0]} has today's date in its id; give the value in the test, or an id")


@pytest.fixture(autouse=True)
def global_state() -> Iterator[None]:
    """Undo what a test does to the environment, to random generators and to torch's settings."""
    environment = dict(os.environ)
    python_state = random.getstate()
    torch = sys.modules.get("torch")
    if torch is not None:
        torch_state = torch.get_rng_state(), torch.get_default_dtype(), torch.get_num_threads()
        deterministic = torch.are_deterministic_algorithms_enabled()
    yield
    os.environ.clear()
    os.environ.update(environment)
    random.setstate(python_state)
    if torch is not None:
        torch.set_rng_state(torch_state[0])
        torch.set_default_dtype(torch_state[1])
        if torch.get_num_threads() != torch_state[2]:
            torch.set_num_threads(torch_state[2])
        torch.use_deterministic_algorithms(deterministic)


def make_records(split: str = "train", count: int = 24, *, with_output: bool = True) -> list[dict[str, Any]]:
    """Write records as plain objects: four questions on each of six tables, then the same with other numbers."""
    tables = _TABLES.get(split, _TABLES["test"])
    records = []
    for index in range(count):
        table, text, number = tables[index // len(_QUESTIONS) % len(tables)]
        names = {"table": table, "text": text, "number": number, "limit": 10 * index + 5}
        question, sql = (part.format(**names) for part in _QUESTIONS[index % len(_QUESTIONS)])
        context = f"CREATE TABLE {table} ({table}_id INTEGER, {text} VARCHAR, {number} INTEGER)"
        record = {"id": f"sqlcc-{split}-{index + 1:06d}", "instruction": INSTRUCTION}
        record |= {"input": format_input(context, question)} | ({"output": sql} if with_output else {})
        records.append(record | {"source": "test", "meta": {"split": split, "row": index, "schema_id": table}})
    return records


@pytest.fixture(scope="session")
def records_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function that writes records to a new JSONL file: `records_file(split, count=24, with_output=True)`."""

    def write(split: str = "train", count: int = 24, *, with_output: bool = True) -> Path:
        path = tmp_path_factory.mktemp("records") / f"{split}.jsonl"
        lines = (json.dumps(record) for record in make_records(split, count, with_output=with_output))
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def tiny_llama_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer Llama (0.14 M parameters) with a byte-level tokenizer of 512 tokens: pad 0, bos 1, eos 2."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny_llama")
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [f"{INSTRUCTION}\n{record['input']}\n\n### Response:\n{record['output']}" for record in make_records()]
    backend.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=BOS, eos_token=EOS, pad_token=PAD, clean_up_tokenization_spaces=False
    )
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(vocab_size=len(tokenizer), **_tiny(bos_token_id=1, eos_token_id=2, pad_token_id=0))
    _save_random(LlamaForCausalLM, config, folder)
    return folder


@pytest.fixture(scope="session")
def mistral_tokenizer_model() -> Path:
    """The SentencePiece model of Mistral-7B-Instruct-v0.1, as mistral-common ships it."""
    spec = find_spec("mistral_common")
    if spec is None or spec.origin is None:
        pytest.skip("mistral-common is not installed; it ships the real Mistral tokenizer")
    return Path(spec.origin).parent / "data" / "tokenizer.model.v1"


@pytest.fixture(scope="session")
def tiny_mistral_dir(tmp_path_factory: pytest.TempPathFactory, mistral_tokenizer_model: Path) -> Path:
    """A random two-layer Mistral (4 M parameters) with the real 32,000-token tokenizer: bos 1, eos 2, pad = unk 0."""
    from transformers import MistralConfig, MistralForCausalLM

    from text2sql_lightning.text.tokenizer import load_tokenizer

    source = tmp_path_factory.mktemp("mistral_tokenizer")
    shutil.copy(mistral_tokenizer_model, source / "tokenizer.model")
    folder = tmp_path_factory.mktemp("tiny_mistral")
    load_tokenizer(str(source)).save_pretrained(folder)
    config = MistralConfig(vocab_size=32000, **_tiny(bos_token_id=1, eos_token_id=2, pad_token_id=0))
    _save_random(MistralForCausalLM, config, folder)
    return folder


def _tiny(**special_ids: int) -> dict[str, Any]:
    # bitsandbytes quantizes blocks of 64 values, hence the multiples of 64.
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    return {**sizes, **heads, "max_position_embeddings": 2048, "tie_word_embeddings": False, **special_ids}


def _save_random(model_class: Any, config: Any, folder: Path) -> None:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model_class(config).save_pretrained(folder)
