"""What benchmarks share: a part in a process of its own, our training, medians of both sides, tables, the machine."""

import json
import os
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from text2sql_lightning.constants import EMBEDDED_BASE_MODEL
from text2sql_lightning.errors import RunError
from text2sql_lightning.modeling.bundled import ensure_embedded_model

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

ROOT: Final = Path(__file__).resolve().parents[2]


def run_part(script: str | Path, job: dict[str, Any], *arguments: str, python: str | Path = sys.executable) -> Any:
    """Run a part of a benchmark, which gets its job as its last argument and writes its result to `job["out"]`.

    Raises:
        RunError: It failed; ends with the last line that it wrote.
    """
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))  # for an environment without us
    environment = {**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    command = [str(python), str(script), *arguments, json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RunError(f"benchmark: {' '.join(Path(part).name for part in command[:-1])} failed: {last}")
    return json.loads(Path(job["out"]).read_text(encoding="utf-8"))


def run_or_work(main: Callable[[], int], parts: Mapping[str, Callable[[dict[str, Any]], Any]]) -> None:
    """Run a script: as the part that its first argument names, for `run_part`, or else as a command."""
    if len(sys.argv) != 3 or sys.argv[1] not in parts:
        sys.exit(main())
    job = json.loads(sys.argv[2])
    Path(job["out"]).write_text(json.dumps(parts[sys.argv[1]](job)), encoding="utf-8")


def prepare_report(path: Path, model: Path | None = None) -> dict[str, Any]:
    """Make the folder of a report, and the embedded model if it is that; return what the report holds already."""
    if model == Path(EMBEDDED_BASE_MODEL):
        ensure_embedded_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return results


def train_ours(
    data: Any,
    before: Callable[[], None],
    after: Callable[["Trainer", Any], None],
    trainer: dict[str, Any],
    **module: Any,
) -> None:
    """Train a Text2SQLModule with Lightning's Trainer, nothing written.

    Args:
        data: A data module or loader.
        before: Called before each step.
        after: Called after it, with the trainer and the batch.
        trainer: Further arguments of the Trainer.
        **module: Further arguments of the module.
    """
    from lightning.pytorch import Callback, Trainer

    from text2sql_lightning.modeling.settings import LoraSettings
    from text2sql_lightning.module import Text2SQLModule

    class Around(Callback):
        def on_train_batch_start(self, *_: Any) -> None:
            before()

        def on_train_batch_end(self, trainer: Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            after(trainer, batch)

    settings = {"packing": "shared_prefix", "lora": LoraSettings(r=16, alpha=16), "warmup_steps": 0, **module}
    Trainer(
        devices=1,
        callbacks=[Around()],
        limit_val_batches=0,
        log_every_n_steps=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        **trainer,
    ).fit(Text2SQLModule(**settings), data)


def side_by_side(rates: dict[str, list[float]], ours: Sequence[Any], theirs: Sequence[Any]) -> dict[str, Any]:
    """Return what a report says of two sides: medians of their rates in examples a second, largest memory, machine."""
    median = {side: statistics.median(values) for side, values in rates.items()}
    peaks = {side: max(run["peak_mib"] for run in runs) for side, runs in (("ours", ours), ("peer", theirs))}
    return {
        **median,
        "ratio": median["ours"] / median["peer"],
        "unit": "examples/s",
        "versions": theirs[0]["versions"],
        "machine": machine(),
        "rounds": rates,
        "peak_mib": peaks,
        "memory_ratio": peaks["ours"] / peaks["peer"],
    }


def side_by_side_text(result: Mapping[str, Any]) -> str:
    """Return both sides' rates and memory in words."""
    peaks = result["peak_mib"]
    return (
        f"{result['ours']:.2f} against {result['peer']:.2f} examples/s, {result['ratio']:.2f} x; memory "
        f"{peaks['ours']:.0f} against {peaks['peer']:.0f} MiB, {result['memory_ratio']:.2f} x"
    )


def markdown_table(head: str, rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; `head` has ` | ` between its cells."""
    lines = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([f"| {head} |", "|---" * (head.count(" | ") + 1) + "|", *lines])


def versions_of(*packages: str) -> dict[str, str]:
    """Return the versions of those packages that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> str:
    """Return processor, cores and the versions that speed depends on."""
    processor = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        found = re.search(r"model name\s*:\s*(.+)", facts.read_text(encoding="utf-8"))
        processor = found[1] if found else processor
    versions = ", ".join(
        f"{name} {number}" for name, number in versions_of("torch", "transformers", "peft", "bitsandbytes").items()
    )
    return f"{processor}, {os.cpu_count()} cores; Python {platform.python_version()}, {versions}"
