"""What benchmarks share: a part in a process of its own, its largest memory, and the machine that it ran on."""

import json
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from text2sql_lightning.constants import EMBEDDED_BASE_MODEL
from text2sql_lightning.errors import RunError
from text2sql_lightning.modeling.bundled import ensure_embedded_model


def run_part(command: list[str], job: dict[str, Any]) -> Any:
    """Run a part of a benchmark, which gets its job as its last argument and writes its result to `job["out"]`.

    Raises:
        RunError: It failed; ends with the last line that it wrote.
    """
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        [*command, json.dumps(job)], capture_output=True, text=True, check=False, env=environment
    )  # fmt: skip
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RunError(f"benchmark: {' '.join(Path(part).name for part in command)} failed: {last}")
    return json.loads(Path(job["out"]).read_text(encoding="utf-8"))


def earlier_results(path: Path, model: Path) -> dict[str, Any]:
    """Give what a report holds already, to be added to, and see to its folder and to the embedded model."""
    if model == Path(EMBEDDED_BASE_MODEL):
        ensure_embedded_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return results


def own(script: str, *arguments: str) -> list[str]:
    """Give the command of a script of this project."""
    return [sys.executable, script, *arguments]


def peak_mib() -> float:
    """Give the largest memory of this process so far; a parent's, which `getrusage` would count, is not in it."""
    status = Path("/proc/self/status")
    if not status.is_file():
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))
    return int(found[1]) / 1024 if found else float("nan")


def machine() -> str:
    """Name processor, cores and the versions that speed depends on."""
    processor = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        found = re.search(r"model name\s*:\s*(.+)", facts.read_text(encoding="utf-8"))
        processor = found[1] if found else processor
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "peft", "bitsandbytes"))
    return f"{processor}, {os.cpu_count()} cores; Python {platform.python_version()}, {versions}"
