"""Training beside SFTTrainer, TRL's or Unsloth's, on a CPU: same model, rows and run, by turns; `make bench ROWS=file`.

Both train one epoch on the same examples, in processes of their own, in float32 and with products in bfloat16. The peer
gets them in our order of similar lengths, its best setting without flash attention; losses are compared before anything
else. The first step of each, which finds memory and starts threads, is not counted.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from common import ROOT, prepare_report, run_or_work, run_part, side_by_side, side_by_side_text, train_ours
from tqdm import tqdm

from text2sql_lightning.commands.console import OneLineParser, run_command
from text2sql_lightning.constants import EMBEDDED_BASE_MODEL
from text2sql_lightning.data.records import Record, read_records, write_records
from text2sql_lightning.errors import ConfigError, RunError
from text2sql_lightning.files.atomic import write_json
from text2sql_lightning.files.jsonl import write_objects
from text2sql_lightning.modeling.model_shape import read_shape
from text2sql_lightning.modeling.settings import Packing
from text2sql_lightning.runs.run_meta import peak_memory_bytes
from text2sql_lightning.text.prompts import INSTRUCTION, build_prompt, format_input

if TYPE_CHECKING:
    from text2sql_lightning.data.datamodule import Text2SQLDataModule

_PER_SCHEMA: Final = 8
_TOLERANCES: Final = {"32-true": 2e-3, "bf16-mixed": 1e-2}
"""How far apart losses may be, relative; the peer logs three digits, and bfloat16 has as many."""


@dataclass(frozen=True)
class Setting:
    """One comparison: its name in tables, what is trained on, and what is the same for both sides."""

    name: str
    records: list[Record]
    batch_size: int
    quantization: str
    precision: str
    peer: str  # "trl" or "unsloth"


def main(args: list[str] | None = None) -> int:
    """Run the comparison; returns the exit status."""
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--peer_python", type=Path, required=True, help="Python that has trl 1.5.1, peft and bitsandbytes; and unsloth")
    add("--peers", nargs="+", choices=("trl", "unsloth"), default=["trl"], help="whose trainer is compared with")
    add("--model", type=Path, default=Path(EMBEDDED_BASE_MODEL), help="folder of the base model")
    add("--rows", type=Path, help="question / context / answer rows (default: the embedded sample)")
    add("--spider_dir", type=Path, help="Spider's dev.json and tables.json: full schemas, 8 questions each")
    add("--kinds", nargs="+", choices=("rows", "schemas"), default=["rows", "schemas"], help="schemas: Spider's")
    add("--examples", type=int, default=48, help="rows of each comparison")
    add("--peer_micro_batch", type=int, default=8, help="examples that the peer takes at a time, in the same steps")
    add(
        "--peer_float32_products",
        choices=("highest", "medium"),
        default="highest",
        help="torch.set_float32_matmul_precision of the peer; medium is oneDNN, which rounds on processors with AMX",
    )
    add("--quantization", nargs="+", choices=("nf4", "none"), default=["nf4", "none"])
    add("--precision", nargs="+", choices=tuple(_TOLERANCES), default=list(_TOLERANCES))
    add("--rounds", type=int, default=3, help="runs of each, by turns; medians count")
    add("--out", type=Path, default=Path("reports/bench.json"))
    options = parser.parse_args(args)
    return run_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    settings = _settings(options)
    results = prepare_report(options.out, options.model)
    for setting in settings:
        results[f"training: {setting.name}"] = result = compare(setting, options)
        write_json(options.out, results)
        share = f"{result['share_of_ceiling']:.0%} of {result['gemm_gflops']:.0f} GFLOP/s"
        print(f"{setting.name}: {side_by_side_text(result)}; {share}", flush=True)
    return 0


def _settings(options: argparse.Namespace) -> list[Setting]:
    kinds = []
    if "rows" in options.kinds:
        rows = built_records(options.rows)
        if len(rows) < options.examples:
            raise ConfigError(f"--examples is {options.examples}, and the rows give {len(rows)} records: take fewer")
        kinds.append(("rows", Random(42).sample(rows, options.examples), 8))
    if "schemas" in options.kinds and options.spider_dir is not None:
        kinds.append(("whole schemas", spider_records(options.spider_dir, options.examples), 16))
    more = "" if options.peer_float32_products == "highest" else ", peer by oneDNN"
    return [
        Setting(_name(name, quantization, precision, peer) + more, records, batch_size, quantization, precision, peer)
        for name, records, batch_size in kinds
        for quantization in options.quantization
        for precision in options.precision
        for peer in options.peers
    ]


def _name(kind: str, quantization: str, precision: str, peer: str) -> str:
    name = f"{kind}, {quantization}" + ("" if precision == "32-true" else ", bf16")
    return name if peer == "trl" else f"{name}, beside Unsloth"


def built_records(rows: Path | None) -> list[Record]:
    """Build rows as users do, and take the training records.

    Raises:
        RunError: They cannot be built.
    """
    source = rows or ROOT / "text2sql_lightning" / "assets" / "sample_rows.jsonl.gz"
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, str(ROOT / "scripts" / "build_dataset.py"), "--input_jsonl", str(source)]
        done = subprocess.run([*command, "--out_dir", f"{name}/data"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RunError(f"benchmark: the rows cannot be built: {done.stderr.strip()[-500:]}")
        return read_records(Path(name) / "data" / "train.jsonl")


def spider_records(folder: Path, count: int) -> list[Record]:
    """Take eight questions each of seeded databases of Spider dev, with their whole schemas."""
    from text2sql_lightning.benchmarks.spider import load_spider
    from text2sql_lightning.commands.spider import spider_questions

    spider = load_spider(folder)
    draw = Random(42)
    by_database: dict[str, list[Any]] = {}
    for example in spider.examples:
        by_database.setdefault(example.db_id, []).append(example)
    names = sorted(name for name, examples in by_database.items() if len(examples) >= _PER_SCHEMA)
    chosen = [
        example
        for name in draw.sample(names, min(len(names), count // _PER_SCHEMA))
        for example in draw.sample(by_database[name], _PER_SCHEMA)
    ]
    questions = spider_questions(spider, chosen)
    return [
        Record(f"spider-{example.index}", INSTRUCTION, format_input(question.context, question.text), example.gold)
        for example, question in zip(chosen, questions, strict=True)
    ]


def compare(setting: Setting, options: argparse.Namespace) -> dict[str, Any]:
    """Train with both, by turns.

    Raises:
        RunError: A process failed, or the losses differ.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = {
            "model": str(options.model.resolve()),
            "quantization": setting.quantization,
            "learning_rate": 1e-9,
            "batch_size": setting.batch_size,
            "precision": setting.precision,
            "out": str(folder / "out.json"),
            "records": str(folder / "train.jsonl"),
        }
        write_records(folder / "train.jsonl", setting.records)
        batches = run_part(__file__, job, "order")
        _write_peer_rows(folder / "rows.jsonl", setting, batches["ids"])
        peer = job | {
            "peer": setting.peer,
            "micro_batch": min(options.peer_micro_batch, setting.batch_size),
            "r": 16,
            "float32_products": options.peer_float32_products,
            "rows": str(folder / "rows.jsonl"),
            "steps": len(batches["ids"]),
        }
        ours, theirs, ceilings = [], [], []
        for _ in tqdm(range(options.rounds), desc=setting.name):
            ours.append(run_part(__file__, job, "ours"))
            ceilings.append(_ceiling(options.model, ours[0]["work"], setting.precision))
            theirs.append(run_part(Path(__file__).with_name("trl_worker.py"), peer, python=options.peer_python))
    pairs = zip(theirs[0]["losses"], batches["targets"], strict=True)
    weighted = sum(loss * count for loss, count in pairs) / sum(batches["targets"])
    if abs(weighted - ours[0]["loss"]) > _TOLERANCES[setting.precision] * weighted:
        raise RunError(f"benchmark: losses differ, ours {ours[0]['loss']:.5f}, the peer's {weighted:.5f}")
    return _summary(setting, ours, theirs, weighted, ceilings, options)


def _write_peer_rows(path: Path, setting: Setting, batches: list[list[str]]) -> None:
    """Write prompts and completions in the order of our batches, which all have to be full."""
    rows = {record.id: record for record in setting.records}
    chosen = [rows[key] for batch in batches for key in batch]
    if len(chosen) != len(rows) or len(chosen) % setting.batch_size:
        raise ConfigError(
            f"--examples is {len(rows)}, of which {len(chosen)} are short enough: the peer needs full "
            f"batches of {setting.batch_size}; give a multiple of it, or other rows"
        )
    write_objects(path, ({"prompt": build_prompt(r.instruction, r.input), "completion": r.output} for r in chosen))


def _summary(
    setting: Setting,
    ours: list[Any],
    theirs: list[Any],
    peer_loss: float,
    ceilings: list[float],
    options: argparse.Namespace,
) -> dict[str, Any]:
    rates = {
        name: [setting.batch_size * (len(run["seconds"]) - 1) / sum(run["seconds"][1:]) for run in runs]
        for name, runs in (("ours", ours), ("peer", theirs))
    }
    flops = _flops(options.model, ours[0]["work"][1:])
    shares = [flops / sum(run["seconds"][1:]) / ceiling for run, ceiling in zip(ours, ceilings, strict=True)]
    return {
        **side_by_side(rates, ours, theirs),
        "n": len(setting.records),
        "loss": {"ours": ours[0]["loss"], "peer": peer_loss},
        "peer_micro_batch": options.peer_micro_batch,
        "peer_float32_products": options.peer_float32_products,
        "gemm_gflops": statistics.median(ceilings) / 1e9,
        "share_of_ceiling": statistics.median(shares),
        "shares": shares,
    }


def _flops(model: Path, work: list[dict[str, int]]) -> float:
    """Return the operations of an epoch, those of distinct tokens alone."""
    shape = read_shape(str(model))
    return sum(shape.step_flops(step["tokens"], step["targets"], step["pairs"]) for step in work)


def _ceiling(model: Path, work: list[dict[str, int]], precision: str) -> float:
    """Return the rate of matrix products of an epoch's shapes, in FLOP/s; it drifts with the machine, as steps do."""
    tokens = round(statistics.mean(step["tokens"] for step in work))
    return gemm_rate(read_shape(str(model)).projections(), tokens, "float32" if precision == "32-true" else "bfloat16")


def gemm_rate(projections: dict[str, tuple[int, int]], tokens: int, dtype: str = "float32", repeats: int = 20) -> float:
    """Measure matrix products as a layer's passes make them, forward and back, by the library that is faster here."""
    import torch

    from text2sql_lightning.modeling.cpu.linear import linear

    seconds, flops = 0.0, 0.0
    for inputs, outputs in projections.values():
        shapes = (outputs, inputs), (tokens, inputs), (tokens, outputs)
        weight, states, gradients = (torch.randn(*shape).to(getattr(torch, dtype)) for shape in shapes)
        for left, right in ((states, weight), (gradients, weight.t())):
            linear(left, right, None)
            started = time.perf_counter()
            for _ in range(repeats):
                linear(left, right, None)
            seconds += time.perf_counter() - started
            flops += 2.0 * tokens * inputs * outputs * repeats
    return flops / seconds


def _data(job: dict[str, Any], packing: Packing) -> "Text2SQLDataModule":
    from lightning.pytorch import seed_everything

    from text2sql_lightning.data.datamodule import Text2SQLDataModule

    seed_everything(42)
    return Text2SQLDataModule(
        train_path=job["records"],
        tokenizer=job["model"],
        batch_size=job["batch_size"],
        packing=packing,
        max_seq_length=2048,
    )


def order(job: dict[str, Any]) -> dict[str, Any]:
    """Return ids and numbers of target tokens of padded batches, and train nothing."""
    data = _data(job, "none")
    data.setup("fit")
    batches = list(data.train_dataloader())
    return {"ids": [batch["ids"] for batch in batches], "targets": [batch["num_target_tokens"] for batch in batches]}


def train(job: dict[str, Any]) -> dict[str, Any]:
    """Train one epoch as our side; return seconds and work of each step, the loss, the largest memory."""
    times: list[float] = []
    work: list[dict[str, int]] = []
    sums: list[tuple[float, int]] = []

    def stop(trainer: Any, batch: Any) -> None:
        times[-1] = time.perf_counter() - times[-1]
        sums.append((float(trainer.callback_metrics["train/loss"]), batch["num_target_tokens"]))
        positions = batch["position_ids"]
        pairs = int((positions + 1).sum())
        work.append({"tokens": positions.numel(), "targets": batch["num_target_tokens"], "pairs": pairs})

    train_ours(
        _data(job, "shared_prefix"),
        lambda: times.append(time.perf_counter()),
        stop,
        {"accelerator": "cpu", "precision": job["precision"], "max_epochs": 1},
        base_model=job["model"],
        backend="transformers",
        quantization=job["quantization"],
        learning_rate=job["learning_rate"],
        gradient_checkpointing=False,
        max_seq_length=2048,
    )
    loss = sum(loss * count for loss, count in sums) / sum(count for _, count in sums)
    return {"seconds": times, "loss": loss, "work": work, "peak_mib": peak_memory_bytes() / 2**20}


if __name__ == "__main__":
    run_or_work(main, {"ours": train, "order": order})
