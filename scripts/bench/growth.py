"""What a step takes when there are more rows: `python scripts/bench/growth.py rows.jsonl.gz`.

Rows are repeated with other numbers and values (`many_rows.py`). For each number of rows a process reads and encodes
them; a second one finds them encoded, where there are 5,000 or more, makes up to 500 batches and trains some steps.
Times per step and per token, and the largest memory, should not depend on how many rows there are.
"""

import json
import statistics
import sys
import tempfile
import time
from argparse import ArgumentDefaultsHelpFormatter, Namespace
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, Final

from many_rows import many_rows
from processes import machine, own, peak_mib, run_part
from tqdm import tqdm

from text2sql_lightning.commands.console import OneLineParser, run_command
from text2sql_lightning.constants import EMBEDDED_BASE_MODEL
from text2sql_lightning.data.records import Record
from text2sql_lightning.data.sources import read_rows
from text2sql_lightning.files.atomic import write_json
from text2sql_lightning.modeling.bundled import ensure_embedded_model
from text2sql_lightning.text.prompts import INSTRUCTION, format_input

_BATCHES: Final = 500
_WORKER: Final = "worker"


def main() -> int:
    """Measure and print a Markdown table; `--out` gets the figures."""
    parser = OneLineParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("rows", type=Path, help="question / context / answer rows (.jsonl, .jsonl.gz)")
    add("--counts", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    add("--model", type=Path, default=Path(EMBEDDED_BASE_MODEL), help="folder of the base model")
    add("--steps", type=int, default=8, help="training steps after the first")
    add("--out", type=Path, default=Path("reports/growth.json"))
    given = parser.parse_args()
    return run_command(lambda: _run(given))


def _run(given: Namespace) -> None:
    if given.model == Path(EMBEDDED_BASE_MODEL):
        ensure_embedded_model(given.model)
    results: dict[str, Any] = {"machine": machine(), "rows": {}}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        for count in tqdm(given.counts, desc="growth", unit="size"):
            path = Path(name) / f"{count}.jsonl"
            write_rows(path, given.rows, count)
            job = {"records": str(path), "model": str(given.model.resolve()), "out": str(path.with_suffix(".out"))}
            first = run_part(own(__file__, _WORKER), job | {"steps": 0, "batches": 0})
            again = run_part(own(__file__, _WORKER), job | {"steps": given.steps, "batches": _BATCHES})
            results["rows"][str(count)] = {"first": first, "again": again}
            write_json(given.out, results)
    print(table(results))


def write_rows(path: Path, source: Path, count: int) -> None:
    """Write records made of repeated rows, one by one: they need not fit into memory."""
    rows = islice(many_rows(read_rows(source), seed=0), count)
    with path.open("w", encoding="utf-8") as file:
        for number, (question, context, answer) in enumerate(rows):
            file.write(Record(f"r{number}", INSTRUCTION, format_input(context, question), answer).to_json() + "\n")


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Read, make batches, train.

    Args:
        job: records, model, batches, steps, out.

    Returns:
        Seconds until the first batch, milliseconds for a batch, milliseconds of training for a token that is computed,
        MiB after each part.
    """
    from text2sql_lightning.data.datamodule import Text2SQLDataModule

    started = time.perf_counter()
    data = Text2SQLDataModule(
        train_path=job["records"], tokenizer=job["model"], batch_size=8, packing="shared_prefix", max_seq_length=2048
    )
    data.setup("fit")
    batches = iter(data.train_dataloader())
    next(batches)
    result: dict[str, Any] = {"first_batch_s": time.perf_counter() - started, "data_mib": peak_mib()}
    if job["batches"]:
        result["batch_ms"] = statistics.median(seconds_each(islice(batches, job["batches"]))) * 1000
    if job["steps"]:
        result |= {"token_ms": train(data, job), "peak_mib": peak_mib()}
    return result


def seconds_each(items: Iterable[Any]) -> list[float]:
    """Time how long each item takes to come."""
    seconds, before = [], time.perf_counter()
    for _ in items:
        seconds.append(time.perf_counter() - before)
        before = time.perf_counter()
    return seconds


def train(data: Any, job: dict[str, Any]) -> float:
    """Train some steps in 4 bits; give the median of milliseconds for a token that is computed."""
    from lightning.pytorch import Callback, Trainer

    from text2sql_lightning.modeling.settings import LoraSettings
    from text2sql_lightning.module import Text2SQLModule

    times: list[float] = []

    class Clock(Callback):
        """Time of a step, divided by its tokens."""

        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
            self.started = time.perf_counter()

        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            times.append((time.perf_counter() - self.started) / batch["position_ids"].numel())

    module = Text2SQLModule(
        base_model=job["model"], backend="transformers", quantization="nf4", lora=LoraSettings(r=16, alpha=16),
        warmup_steps=0, gradient_checkpointing=False, packing="shared_prefix", max_seq_length=2048,
    )  # fmt: skip
    trainer = Trainer(
        accelerator="cpu", devices=1, precision="32-true", max_steps=job["steps"] + 1, limit_val_batches=0,
        callbacks=[Clock()], logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(module, data)
    return statistics.median(times[1:]) * 1000


def table(results: dict[str, Any]) -> str:
    """Give the figures as a Markdown table."""
    lines = [
        "| rows | first batch | again, encoded before | MiB then | a batch | a token of training | largest memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for count, result in results["rows"].items():
        first, again = result["first"], result["again"]
        lines.append(
            f"| {int(count):,} | {first['first_batch_s']:.1f} s | {again['first_batch_s']:.1f} s "
            f"| {first['data_mib']:.0f}, {again['data_mib']:.0f} | {again['batch_ms']:.1f} ms "
            f"| {again['token_ms']:.2f} ms | {again['peak_mib']:.0f} MiB |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:2] == [_WORKER]:
        write_json(Path(json.loads(sys.argv[2])["out"]), work(json.loads(sys.argv[2])))
    else:
        sys.exit(main())
