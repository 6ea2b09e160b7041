"""The main job, end to end: base model, dataset, base score, fine-tuning, tuned score."""

import json
import shlex
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from text2sql_lightning.commands.console import Command, exit_on_signals, run_child
from text2sql_lightning.constants import ADAPTERS_DIR, EMBEDDED_BASE_MODEL, PREDICTIONS_FILE
from text2sql_lightning.data.records import read_records
from text2sql_lightning.errors import RunError
from text2sql_lightning.evaluation.execution_accuracy import RULES
from text2sql_lightning.evaluation.results import from_prediction, summarize
from text2sql_lightning.files.atomic import write_json
from text2sql_lightning.files.charts import Bar, draw_bars
from text2sql_lightning.prepare.split import SPLITS

CONFIG: Final = "experiment/quickstart_cpu.yaml"
TEST_RATIO: Final = 0.25
VAL_RATIO: Final = 0.05
_LOSS_BATCHES: Final = 2
"""Of test records whose loss is taken; all of them are answered and executed."""
_RECORDS: Final = 1350
_REAL_RECORDS: Final = 4000
"""Of rows with distractors: what the embedded model needs to answer half of the test."""


def _add_flags(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--out", type=Path, default=Path("outputs/quickstart"), help="folder of all outputs; an older run is replaced")
    add("--rows", type=Path, metavar="FILE[.gz]", help="question, context, answer rows instead of the embedded sample")
    add("--seed", type=int, default=42, help="decides the split, the sample and the training")
    text = "columns added that the answer does not need; default: as text2sql build, but none for --rows in 32-true"
    add("--distractors", type=float, metavar="MEAN", help=text)
    text = "of the training; auto is bf16-mixed for --rows where the processor multiplies in it, else 32-true"
    add("--precision", choices=("auto", "32-true", "bf16-mixed"), default="auto", help=text)
    text = f"records trained on, once each; default: {_RECORDS}, {_REAL_RECORDS} of --rows with distractors"
    add("--train_examples", type=int, help=text)
    add("--test_examples", type=int, default=180, help="records of unseen schemas that are scored")


def _run(args: Namespace) -> int:
    exit_on_signals()
    _decide(args)
    stages = Stages()
    data, base, tuned = args.out / "data", args.out / "base", args.out / "run"
    with stages.timed("fetch the base model"):
        from text2sql_lightning.modeling.bundled import ensure_embedded_model

        ensure_embedded_model(Path(EMBEDDED_BASE_MODEL))
    stages.text2sql("build the dataset", _build_arguments(args, data))
    shared = _shared_arguments(args, data)
    stages.text2sql("score the base model", ["test", *shared, "--output_dir", str(base)])
    fit = ["fit", *shared, "--data.max_train_examples", str(args.train_examples), "--overwrite", "true"]
    fit += ["--trainer.precision", args.precision]
    stages.text2sql("fine-tune", [*fit, "--output_dir", str(tuned)])
    adapters = ["--model.adapter_path", str(tuned / ADAPTERS_DIR)]
    stages.text2sql("score the tuned model", ["test", *shared, *adapters, "--output_dir", str(tuned)])
    scores = {"base": score(base / "test", data / "test.jsonl"), "tuned": score(tuned / "test", data / "test.jsonl")}
    write_json(args.out / "quickstart.json", summary(scores, stages.seconds))
    bars = {name: _bars(part) for name, part in scores.items()}
    axis = f"execution accuracy on {_title(scores['tuned'])}"
    draw_bars(bars, args.out / "accuracy.png", axis=axis, limit=1.12)
    _print_table(scores, stages.seconds, args.out)
    return 0


def _build_arguments(args: Namespace, data: Path) -> list[str]:
    rows = ["--input_jsonl", str(args.rows)] if args.rows else ["--sample"]
    arguments = ["build", *rows, "--out_dir", str(data), "--overwrite", "--seed", str(args.seed)]
    arguments += ["--val_ratio", str(VAL_RATIO), "--test_ratio", str(TEST_RATIO)]
    return arguments + ([] if args.distractors is None else ["--distractors", str(args.distractors)])


def _shared_arguments(args: Namespace, data: Path) -> list[str]:
    """Return what `fit` and `test` are both given."""
    arguments = ["--config", CONFIG, "--seed_everything", str(args.seed)]
    for split in SPLITS:
        arguments += [f"--data.{split}_path", str(data / f"{split}.jsonl")]
    arguments += ["--data.max_test_examples", str(args.test_examples)]
    return [*arguments, "--trainer.limit_test_batches", str(_LOSS_BATCHES)]


class Stages:
    """Runs the stages one after another, says which command each one is, and keeps their times."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Announce a stage and time it."""
        print(f"\n== {name} ==", flush=True)
        start = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - start, 1)

    def text2sql(self, name: str, arguments: list[str]) -> None:
        """Run a `text2sql` command in a process of its own.

        Raises:
            RunError: The command failed; it has said why.
        """
        with self.timed(name):
            print(f"$ text2sql {shlex.join(arguments)}", flush=True)
            code = run_child([sys.executable, "-m", "text2sql_lightning", *arguments])
        if code == 130:
            raise KeyboardInterrupt
        if code:
            raise RunError(f"the stage '{name}' ended with exit code {code}: see the lines above")


def _decide(args: Namespace) -> None:
    """Replace what was not given: precision by the processor, distractors by precision, records by distractors."""
    if args.precision == "auto":
        from text2sql_lightning.modeling.cpu import has_bfloat16_products

        args.precision = "bf16-mixed" if args.rows is not None and has_bfloat16_products() else "32-true"
    if args.distractors is None and args.rows is not None and args.precision == "32-true":
        args.distractors = 0.0
    if args.train_examples is None:
        args.train_examples = _RECORDS if args.rows is None or args.distractors == 0 else _REAL_RECORDS


def score(folder: Path, test_path: Path) -> dict[str, Any]:
    """Summarize the predictions of a `test` command by hardness, with an interval that resamples schemas."""
    lines = (folder / PREDICTIONS_FILE).read_text(encoding="utf-8").splitlines()
    predictions = [json.loads(line) for line in lines]
    metas = {record.id: record.meta for record in read_records(test_path)}
    return summarize(
        [
            from_prediction(row, group=metas[row["id"]]["schema_group"], hardness=metas[row["id"]]["hardness"])
            for row in predictions
        ]
    )


def summary(scores: dict[str, dict[str, Any]], seconds: dict[str, float]) -> dict[str, Any]:
    """Return the content of `quickstart.json`."""
    return {
        "n": scores["tuned"]["n"],
        "schemas": scores["tuned"]["schemas"],
        **scores,
        "rules": RULES,
        "seconds": {**seconds, "total": round(sum(seconds.values()), 1)},
    }


def _title(tuned: dict[str, Any]) -> str:
    return f"{tuned['n']} test records of {tuned['schemas']} schemas that training never saw"


def _bars(part: dict[str, Any]) -> list[Bar]:
    levels = {
        f"all ({part['n']})": part,
        **{f"{name} ({level['n']})": level for name, level in part["by_hardness"].items()},
    }
    return [
        Bar(label, level["execution_accuracy"], level.get("interval_95"), f"{level['execution_accuracy']:.2f}")
        for label, level in levels.items()
    ]


def _print_table(scores: dict[str, dict[str, Any]], seconds: dict[str, float], out: Path) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    tuned = scores["tuned"]
    table = Table("", *(Column(name, justify="right") for name in scores), title=_title(tuned))
    for label, *cells in _lines(scores):
        table.add_row(label, *cells)
    console = Console()
    console.print()
    console.print(table)
    total = sum(seconds.values())
    console.print(f"{total / 60:.1f} minutes: " + ", ".join(f"{name} {took:.0f} s" for name, took in seconds.items()))
    for what, place in (
        ("adapter", f"run/{ADAPTERS_DIR}"),
        ("figures", "quickstart.json"),
        ("picture", "accuracy.png"),
    ):
        console.print(f"{what}: {out / place}", soft_wrap=True, highlight=False)


def _lines(scores: dict[str, dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    parts = scores.values()
    yield "execution accuracy", *(f"{part['execution_accuracy']:.3f}" for part in parts)
    yield "  95 % interval over schemas", *("{:.3f} - {:.3f}".format(*part["interval_95"]) for part in parts)
    yield "  case-insensitive for text", *(f"{part['execution_accuracy_case_blind']:.3f}" for part in parts)
    yield "exact match", *(f"{part['exact_match']:.3f}" for part in parts)
    for name, level in scores["tuned"]["by_hardness"].items():
        levels = (part["by_hardness"][name]["execution_accuracy"] for part in parts)
        yield f"  {name} ({level['n']})", *(f"{value:.3f}" for value in levels)
    yield "gold that does not run, left out", *(str(part["gold_invalid"]) for part in parts)


main = Command("text2sql quickstart", __doc__, _add_flags, _run)

if __name__ == "__main__":
    raise SystemExit(main())
