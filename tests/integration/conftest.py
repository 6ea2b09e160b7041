"""What the integration tier shares: the real command in this process, and one finished run that tests only read."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs" / "experiment" / "tiny_test.yaml"


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that a mistake gets: the last line on stderr, the only error, no traceback."""
        assert self.code == 2, (self.code, self.out[-2000:], self.err[-2000:])
        lines = [line for line in self.err.splitlines() if line.strip()]
        assert "Traceback" not in self.err
        assert [line.startswith("error: ") for line in lines].count(True) == 1, self.err
        assert lines[-1].startswith("error: "), self.err
        return lines[-1].removeprefix("error: ")


def outcome_of(main: Callable[[list[str]], int], arguments: list[str]) -> Outcome:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(arguments)
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else 1
    return Outcome(code, out.getvalue(), err.getvalue())


@pytest.fixture
def tiny_model_flags(tiny_llama_dir: Path) -> list[str]:
    """Flags of an evaluation command for three short answers of the smallest model."""
    model = ["--base_model", str(tiny_llama_dir), "--quantization", "none", "--backend", "transformers"]
    return [*model, "--max_new_tokens", "4", "--max_examples", "3"]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tiny matrices are faster with one thread, and the bits do not depend on the load of the machine."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def text2sql() -> Callable[..., Outcome]:
    """The command `text2sql` in this process: `text2sql("fit", "--flag", value)`."""
    from text2sql_lightning.__main__ import main

    return lambda *arguments: outcome_of(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def command() -> Callable[..., Outcome]:
    """Any command in this process: `command(main, "--flag", value)`."""
    return lambda main, *arguments: outcome_of(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def shell() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """A command in a process of its own: `shell("-m", "text2sql_lightning", "fit", ...)`."""

    def run(*arguments: Any, timeout: float = 300) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, *(str(argument) for argument in arguments)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, env=environment, check=False
        )

    return run


@dataclass(frozen=True)
class Tiny:
    """Flags that run a command on a tiny model and a few records."""

    base_model: Path
    train: Path
    val: Path
    test: Path
    predict: Path

    def flags(self, output_dir: Path) -> list[str]:
        """Everything that a tiny run needs; flags given behind these win."""
        paths = {"train": self.train, "val": self.val, "test": self.test, "predict": self.predict}
        flags = ["--config", str(CONFIG), "--model.base_model", str(self.base_model), "--output_dir", str(output_dir)]
        for split, path in paths.items():
            flags += [f"--data.{split}_path", str(path)]
        return [*flags, "--model.generation.max_new_tokens", "4", "--trainer.enable_progress_bar", "false"]


@pytest.fixture(scope="session")
def tiny(tiny_llama_dir: Path, records_file: Callable[..., Path]) -> Tiny:
    """The flags of a tiny Llama: 8 records to train on, 6 to validate on, 5 to test on, 5 without SQL to predict."""
    return Tiny(
        tiny_llama_dir,
        records_file("train", 8),
        records_file("val", 6),
        records_file("test", 5),
        records_file("test", 5, with_output=False),
    )


@pytest.fixture(scope="session")
def uneven(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight records with targets of 5 to 300 tokens: a mean over batches or ranks would not be one over tokens."""
    path = tmp_path_factory.mktemp("uneven") / "train.jsonl"
    records = [json.loads(line) for line in tiny.train.read_text(encoding="utf-8").splitlines()]
    for index, record in enumerate(records):
        record["output"] = "SELECT " + ", ".join(f"c{number}" for number in range(4 ** (index % 4)))
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_run(tiny: Tiny, text2sql: Callable[..., Outcome], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a finished fit of 6 steps, one and a half epochs. Tests copy it before they change it."""
    folder = tmp_path_factory.mktemp("tiny_run") / "run"
    done = text2sql("fit", *tiny.flags(folder), "--trainer.max_steps", 6, "--model.learning_rate", 0.01)
    assert done.code == 0, done.err[-3000:]
    return folder


@pytest.fixture(scope="session")
def read_json() -> Callable[[Path], Any]:
    return lambda path: json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def read_lines() -> Callable[[Path], list[Any]]:
    return lambda path: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
