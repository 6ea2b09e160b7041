"""The built wheel in an empty environment, outside of the repository: every command, and what the commands name."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from text2sql_lightning.__main__ import COMMANDS

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it, and an empty folder to work in."""

    bin: Path
    package: Path
    folder: Path

    def run(self, *command: object, codes: tuple[int, ...] = (0,)) -> str:
        """Run a program of the environment; its output, standard error first."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(
            [self.bin / str(command[0]), *map(str, command[1:])],
            cwd=self.folder,
            env=environment,
            text=True,
            capture_output=True,
            timeout=300,
            check=False,
        )
        assert done.returncode in codes, done.stderr[-3000:]
        return done.stderr + done.stdout


def pip(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Builds and installs offline: what the project depends on is this environment's, by a path file."""
    folder = tmp_path_factory.mktemp("wheel")
    source, environment = folder / "source", folder / "environment"
    source.mkdir()
    for name in ("text2sql_lightning", "configs"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
    shutil.rmtree(source)
    venv.create(environment, with_pip=False)
    (wheel,) = folder.glob("*.whl")
    pip("--python", environment / "bin" / "python", "install", "--no-deps", "--no-index", wheel)
    (site_packages,) = environment.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text("\n".join({sysconfig.get_path(x) for x in ("purelib", "platlib")}))
    (folder / "work").mkdir()
    return Installed(environment / "bin", site_packages / "text2sql_lightning", folder / "work")


def test_it_is_the_wheel_that_runs(installed: Installed) -> None:
    where = installed.run("python", "-c", "import text2sql_lightning; print(text2sql_lightning.__file__)")
    assert Path(where.strip()).parent == installed.package


def test_every_command_has_a_help_page(installed: Installed) -> None:
    for command in COMMANDS:
        assert f"usage: text2sql {command} " in installed.run("text2sql", command, "--help")


def test_from_rows_to_an_answer(
    installed: Installed, tiny_llama_dir: Path, read_lines: Callable[[Path], list[object]]
) -> None:
    run, folder = installed.run, installed.folder
    run("text2sql", "build", "--sample", "--max_rows", 100, "--distractors", 0, "--out_dir", "data/processed")
    config = ["--config", "experiment/tiny_test.yaml", "--model.base_model", tiny_llama_dir]
    run("text2sql", "fit", *config, "--data.max_val_examples", 2, "--execution_accuracy.fit_examples", 2)
    adapter = ["--adapter_dir", "outputs/tiny_test/adapters"]
    records = ["--records", "data/processed/val.jsonl", "--max_examples", 2]
    run("text2sql", "evaluate", *records, *adapter, "--quantization", "none", "--max_new_tokens", 4)
    assert len(read_lines(folder / "reports" / "eval_internal.jsonl")) == 2
    (folder / "schema.sql").write_text("CREATE TABLE singer (name TEXT, age INTEGER)")
    ask = ["How many singers are there?", "--schema", "schema.sql", "--max_new_tokens", 4]
    answer = run("text2sql", "ask", *ask, *adapter, codes=(0, 1))  # after two steps it need not be SQL
    assert answer.startswith("error: the model wrote no SQL") or answer.strip()


def test_what_is_named_exists(installed: Installed) -> None:
    """Commands, and files in configs/, in messages, help and comments; nothing that only a checkout has."""
    texts = {
        path: path.read_text(encoding="utf-8")
        for path in installed.package.rglob("*")
        if path.suffix in (".py", ".yaml")
    }
    assert len(texts) > 100
    for path, text in texts.items():
        assert set(re.findall(r"\btext2sql ([a-z]\w*)", text)) <= {*COMMANDS}, path
        for name in re.findall(r"configs/(\w+/\w+\.yaml)", text):
            assert (installed.package / "configs" / name).is_file(), (path, name)
        if path.suffix == ".py":
            assert not re.findall(r"scripts/\w+", text), path
