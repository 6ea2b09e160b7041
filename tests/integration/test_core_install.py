"""Without the packages of the extras: a run from rows to a scored adapter, and errors that name the extra."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

HIDDEN = ("datasketch", "gguf", "matplotlib", "sentencepiece", "sqlalchemy", "tensorboard", "tensorboardX", "tiktoken")
SITE_CUSTOMIZE = f"""
from importlib.machinery import PathFinder
from importlib.metadata import Distribution, PackageNotFoundError

find_module, find_distribution = PathFinder.find_spec, Distribution.from_name

def find_spec(name, path=None, target=None):
    return None if name.split(".")[0] in {HIDDEN} else find_module(name, path, target)

def from_name(name):
    if name in {HIDDEN}:
        raise PackageNotFoundError(name)
    return find_distribution(name)

PathFinder.find_spec, Distribution.from_name = staticmethod(find_spec), staticmethod(from_name)
"""

RUN = """
import json, sys
from text2sql_lightning.__main__ import main
for arguments in json.loads(sys.argv[1]):
    print(main(arguments), flush=True)
    print("end of", arguments[0], file=sys.stderr, flush=True)
"""

Core = Callable[..., tuple[list[int], list[str]]]


@pytest.fixture
def core(tmp_path: Path) -> Core:
    """Runs commands one after another in a process that finds no package of an extra: exit codes, standard errors."""
    (tmp_path / "sitecustomize.py").write_text(SITE_CUSTOMIZE)
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])

    def run(*commands: list[object]) -> tuple[list[int], list[str]]:
        arguments = json.dumps([[str(word) for word in command] for command in commands])
        done = subprocess.run(
            [sys.executable, "-c", RUN, arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": path},
            text=True,
            capture_output=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        codes = [int(line) for line in done.stdout.splitlines() if line in ("0", "1", "2")]
        return codes, done.stderr.split("end of ")

    return run


def test_from_rows_to_a_scored_adapter(
    core: Callable[..., tuple[list[int], list[str]]], tiny_llama_dir: Path, tmp_path: Path
) -> None:
    config = ["--config", "experiment/tiny_test.yaml", "--model.base_model", tiny_llama_dir]
    few = ["--data.max_val_examples", 2, "--execution_accuracy.fit_examples", 2]
    build = ["--sample", "--max_rows", 60, "--distractors", 0, "--no_decontaminate", "--out_dir", "data/processed"]
    evaluate = ["--adapter_dir", "outputs/tiny_test/adapters", "--quantization", "none", "--max_new_tokens", 4]
    codes, errors = core(
        ["build", *build],
        ["fit", *config, *few],
        ["evaluate", "--records", "data/processed/val.jsonl", *evaluate],
    )
    assert codes == [0, 0, 0], errors
    assert "text2sql_lightning[reports]" in (tmp_path / "reports" / "eval_internal.html").read_text(encoding="utf-8")


def test_errors_name_the_extra(
    core: Callable[..., tuple[list[int], list[str]]],
    tiny_mistral_dir: Path,
    mistral_tokenizer_model: Path,
    records_file: Callable[..., Path],
    tmp_path: Path,
) -> None:
    model = tmp_path / "mistral"
    shutil.copytree(tiny_mistral_dir, model)
    for path in model.glob("tokenizer*"):
        path.unlink()
    shutil.copy(mistral_tokenizer_model, model / "tokenizer.model")
    (model / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer", "eos_token": "</s>"}')
    records = records_file("train", 8)
    fit = ["fit", "--config", "experiment/tiny_test.yaml", "--data.train_path", records, "--data.val_path", records]
    (tmp_path / "pairs.jsonl").touch()
    given = {
        "build": ["build", "--sample", "--out_dir", "a"],
        "databases": ["build", "--database_url", "postgresql://u@h/d", "--pairs", "pairs.jsonl", "--out_dir", "b"],
        "quickstart": ["quickstart"],
        "tensorboard": [*fit, "--config", "logger/tensorboard.yaml", "--model.base_model", model],
        "sentencepiece": [*fit, "--model.base_model", model],
    }
    codes, errors = core(*given.values())
    assert codes == [2] * len(given)
    for extra, error in zip(given, errors, strict=False):
        assert f"is not installed: pip install 'text2sql_lightning[{extra}]'" in error
