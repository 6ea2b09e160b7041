"""What a step takes when there are more rows: `python scripts/bench/growth.py rows.jsonl.gz`.

Rows are repeated with other numbers and values (`many_rows.py`). For each number of rows a process reads and encodes
them; a second one finds them encoded, where there are 5,000 or more, makes up to 500 batches and trains some steps.
Times per step and per token, and the largest memory, should not depend on how many rows there are.
"""

import statistics
import tempfile
import time
from argparse import ArgumentDefaultsHelpFormatter, Namespace
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, Final

from common import machine, markdown_table, prepare_report, run_or_work, run_part, train_ours
from many_rows import many_rows
from tqdm import tqdm

from text2sql_lightning.commands.console import OneLineParser, run_command
from text2sql_lightning.constants import EMBEDDED_BASE_MODEL
from text2sql_lightning.data.records import Record
from text2sql_lightning.data.sources import read_rows
from text2sql_lightning.files.atomic import write_json
from text2sql_lightning.runs.run_meta import peak_memory_bytes
from text2sql_lightning.text.prompts import INSTRUCTION, format_input

_BATCHES: Final = 500


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
    prepare_report(given.out, given.model)
    results: dict[str, Any] = {"machine": machine(), "rows": {}}
    with tempfile.TemporaryDirectory() as name:
        for count in tqdm(given.counts, desc="growth", unit="size"):
            path = Path(name) / f"{count}.jsonl"
            write_rows(path, given.rows, count)
            job = {"records": str(path), "model": str(given.model.resolve()), "out": str(path.with_suffix(".out"))}
            first = run_part(__file__, job | {"steps": 0, "batches": 0}, "work")
            again = run_part(__file__, job | {"steps": given.steps, "batches": _BATCHES}, "work")
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
    result: dict[str, Any] = {"first_batch_s": time.perf_counter() - started, "data_mib": peak_memory_bytes() / 2**20}
    if job["batches"]:
        result["batch_ms"] = statistics.median(seconds_each(islice(batches, job["batches"]))) * 1000
    if job["steps"]:
        result |= {"token_ms": train(data, job), "peak_mib": peak_memory_bytes() / 2**20}
    return result


def seconds_each(items: Iterable[Any]) -> list[float]:
    """Time how long each item takes to come."""
    seconds, before = [], time.perf_counter()
    for _ in items:
        seconds.append(time.perf_counter() - before)
        before = time.perf_counter()
    return seconds


def train(data: Any, job: dict[str, Any]) -> float:
    """Train some steps in 4 bits; return the median of milliseconds for a token that is computed."""
    times: list[float] = []

    def stop(_: Any, batch: Any) -> None:
        times[-1] = (time.perf_counter() - times[-1]) / batch["position_ids"].numel()

    train_ours(
        data,
        lambda: times.append(time.perf_counter()),
        stop,
        {"accelerator": "cpu", "precision": "32-true", "max_steps": job["steps"] + 1},
        base_model=job["model"],
        backend="transformers",
        quantization="nf4",
        gradient_checkpointing=False,
        max_seq_length=2048,
    )
    return statistics.median(times[1:]) * 1000


def table(results: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    rows = [
        (
            f"{int(count):,}",
            f"{first['first_batch_s']:.1f} s",
            f"{again['first_batch_s']:.1f} s",
            f"{first['data_mib']:.0f}, {again['data_mib']:.0f}",
            f"{again['batch_ms']:.1f} ms",
            f"{again['token_ms']:.2f} ms",
            f"{again['peak_mib']:.0f} MiB",
        )
        for count, result in results["rows"].items()
        for first, again in [(result["first"], result["again"])]
    ]
    head = "rows | first batch | again, encoded before | MiB then | a batch | a token of training | largest memory"
    return markdown_table(head, rows)


if __name__ == "__main__":
    run_or_work(main, {"work": work})
