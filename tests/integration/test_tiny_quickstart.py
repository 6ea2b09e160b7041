"""The quickstart on a tiny model; one that is stopped, by hand or by make, ends everything that it has started."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from text2sql_lightning.constants import EMBEDDED_BASE_MODEL
from text2sql_lightning.data.sources import sample_file
from text2sql_lightning.modeling import bundled

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SCRIPT = [sys.executable, str(ROOT / "scripts" / "quickstart.py"), "--out", "out"]
MAKE = ["make", "-f", str(ROOT / "Makefile"), "-o", "setup", f"VENV={sys.prefix}", "OUT=out", "quickstart"]


@pytest.fixture
def folder(tiny_llama_dir: Path, tmp_path: Path) -> Path:
    """A folder to start from: a tiny model in place of the embedded one, and a few rows."""
    model = tmp_path / EMBEDDED_BASE_MODEL
    shutil.copytree(tiny_llama_dir, model)
    sizes = {path.name: path.stat().st_size for path in model.iterdir()}
    (model / bundled.SOURCE_FILE).write_text(json.dumps({"sha256": bundled.GGUF_SHA256, "files": sizes}))
    lines = gzip.decompress(sample_file().read_bytes()).decode().splitlines(keepends=True)
    (tmp_path / "rows.jsonl").write_text("".join(lines[::50]))
    return tmp_path


def test_to_the_end(folder: Path) -> None:
    few = ["--rows", "rows.jsonl", "--train_examples", "16", "--test_examples", "4"]
    done = subprocess.run([*SCRIPT, *few], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads((folder / "out" / "quickstart.json").read_text(encoding="utf-8"))
    assert result["n"] == 4
    stages = ["fetch the base model", "build the dataset", "score the base model", "fine-tune", "score the tuned model"]
    assert list(result["seconds"]) == [*stages, "total"]
    assert "$ text2sql build --input_jsonl rows.jsonl" in done.stdout
    assert "execution accuracy" in done.stdout
    assert "adapter: out/run/adapters" in done.stdout
    assert (folder / "out" / "run" / "adapters" / "adapter_model.safetensors").is_file()


def heed_ctrl_c() -> None:
    """What a terminal starts heeds it; what a background job of a shell starts ignores it, and so may these tests."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(found: Callable[[], object], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not found() and time.monotonic() < end:
        time.sleep(0.1)
    assert found()


@pytest.mark.parametrize(
    ("command", "number", "stage"),
    [
        ([*SCRIPT, "--rows", "rows.jsonl", "--test_examples", "2"], signal.SIGTERM, "fit"),
        ([*SCRIPT, "--rows", "rows.jsonl", "--test_examples", "2"], signal.SIGINT, "test"),
        (MAKE, signal.SIGTERM, "build"),
        (MAKE, signal.SIGINT, "build"),
        pytest.param(
            SCRIPT, signal.SIGKILL, "build", marks=pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel")
        ),
    ],
)
def test_nothing_goes_on(command: list[str], number: signal.Signals, stage: str, folder: Path) -> None:
    with (folder / "log").open("w") as log:
        started = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True, preexec_fn=heed_ctrl_c
        )
    family = psutil.Process(started.pid)

    def at_work() -> bool:
        assert started.poll() is None, (folder / "log").read_text()
        ready = stage != "fit" or (folder / "out" / "run" / "run_meta.json").is_file()
        return ready and any(stage in child.cmdline() for child in family.children(recursive=True))

    wait_for(at_work, 120)
    time.sleep(1)
    children = family.children(recursive=True)
    if command is MAKE and number == signal.SIGINT:
        os.killpg(started.pid, number)  # Ctrl-C of a terminal
    else:
        started.send_signal(number)
    try:
        assert started.wait(60) != 0
        wait_for(lambda: not any(child.is_running() for child in children), 30)
    finally:
        for child in children:
            if child.is_running():
                child.kill()
    if stage == "fit":
        meta = json.loads((folder / "out" / "run" / "run_meta.json").read_text())
        assert meta["status"] in ("interrupted", "running")
