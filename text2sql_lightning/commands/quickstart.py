"""The main job, end to end: base model, dataset, base score, fine-tuning, tuned score."""

import ctypes
import json
import os
import shlex
import signal
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import Any, Final, NoReturn

from text2sql_lightning.commands.console import Command
from text2sql_lightning.constants import ADAPTERS_DIR, EMBEDDED_BASE_MODEL, PREDICTIONS_FILE
from text2sql_lightning.data.records import read_records
from text2sql_lightning.errors import RunError
from text2sql_lightning.evaluation.execution_accuracy import Verdict
from text2sql_lightning.evaluation.report import RULES, summarize
from text2sql_lightning.files.atomic import write_json
from text2sql_lightning.files.charts import Bar, draw_bars

CONFIG: Final = "experiment/quickstart_cpu.yaml"
TEST_RATIO: Final = 0.25
VAL_RATIO: Final = 0.05
_LOSS_BATCHES: Final = 2
"""Of test records whose loss is taken; all of them are answered and executed."""
_RECORDS: Final = 1350
_REAL_RECORDS: Final = 4000
"""Of rows with distractors: what the embedded model needs to answer half of the test."""
_GRACE_S: Final = 5.0
"""For a stage that is stopped to write down that it was."""
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None)  # loaded here: nothing may be between fork and exec
_HARDNESS: Final = ("easy", "medium", "hard", "extra")


def _add_flags(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--out", type=Path, default=Path("outputs/quickstart"), help="folder of all outputs; an older run is replaced")
    add(
        "--rows", type=Path, metavar="FILE[.gz]", help="question / context / answer rows instead of the embedded sample"
    )
    add("--seed", type=int, default=42, help="decides the split, the sample and the training")
    add(
        "--distractors", type=float, metavar="MEAN",
        help="columns added that the answer does not need; unless given, as many as text2sql build adds, but none with "
        "--rows in 32-true, where finding columns takes a model of this size longer than a quickstart",
    )  # fmt: skip
    add(
        "--precision", choices=("auto", "32-true", "bf16-mixed"), default="auto",
        help="of the training; auto is bf16-mixed for --rows where the processor multiplies in it (AMX, AVX512-BF16), "
        "else 32-true; answers are computed in float32 either way",
    )  # fmt: skip
    add(
        "--train_examples", type=int,
        help=f"records trained on, once each; unless given {_RECORDS}, and {_REAL_RECORDS} of --rows with distractors",
    )  # fmt: skip
    add("--test_examples", type=int, default=180, help="records of unseen schemas that are scored")


def _run(args: Namespace) -> int:
    exit_on_signals()
    _decide(args)
    stages = Stages()
    data, base, tuned = args.out / "data", args.out / "base", args.out / "run"
    with stages.timed("fetch the base model"):
        from text2sql_lightning.modeling.bundled import ensure_embedded_model

        ensure_embedded_model(Path(EMBEDDED_BASE_MODEL))
    rows = ["--input_jsonl", str(args.rows)] if args.rows else ["--sample"]
    build = ["build", *rows, "--out_dir", str(data), "--overwrite", "--seed", str(args.seed)]
    build += ["--val_ratio", str(VAL_RATIO), "--test_ratio", str(TEST_RATIO)]
    build += [] if args.distractors is None else ["--distractors", str(args.distractors)]
    stages.text2sql("build the dataset", build)
    shared = [
        "--config", CONFIG, "--seed_everything", str(args.seed),
        "--data.train_path", str(data / "train.jsonl"), "--data.val_path", str(data / "val.jsonl"),
        "--data.test_path", str(data / "test.jsonl"), "--data.max_test_examples", str(args.test_examples),
        "--trainer.limit_test_batches", str(_LOSS_BATCHES),
    ]  # fmt: skip
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


def run_child(command: list[str]) -> int:
    """Run a command and return its exit code; what stops this process stops the command and all that it started.

    The command leads a session, so that signals reach it once: from here, and not from the terminal too. On Linux the
    kernel stops it where this process is killed without a chance to.
    """
    with Popen(command, start_new_session=True, preexec_fn=_stops_with_parent) as child:
        try:
            return child.wait()
        except BaseException:  # KeyboardInterrupt, and SystemExit by `exit_on_signals`
            for number, seconds in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, None)):
                with suppress(ProcessLookupError, PermissionError, TimeoutExpired):
                    os.killpg(child.pid, number)
                    child.wait(seconds)
            raise


def _stops_with_parent() -> None:
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def exit_on_signals() -> None:
    """Make the signals that end a process raise SystemExit, so that its `finally` blocks run."""

    def leave(number: int, frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, leave)


def _decide(args: Namespace) -> None:
    """Replace what was not given: precision by the processor, distractors by precision, records by distractors."""
    if args.precision == "auto":
        from text2sql_lightning.modeling.cpu.attention import has_bfloat16_products

        args.precision = "bf16-mixed" if args.rows is not None and has_bfloat16_products() else "32-true"
    if args.distractors is None and args.rows is not None and args.precision == "32-true":
        args.distractors = 0.0
    if args.train_examples is None:
        args.train_examples = _RECORDS if args.rows is None or args.distractors == 0 else _REAL_RECORDS


def score(folder: Path, test_path: Path) -> dict[str, Any]:
    """Summarize the predictions of a `test` command by hardness, with an interval that resamples schemas."""
    lines = (folder / PREDICTIONS_FILE).read_text(encoding="utf-8").splitlines()
    predictions = [json.loads(line) for line in lines]
    records = {record.id: record for record in read_records(test_path)}
    metas = [records[row["id"]].meta for row in predictions]
    verdicts = [
        Verdict(
            exec=row["exec"], exec_case_blind=row["exec_case_blind"], error=row["error"], gold_runs=row["gold_runs"]
        )
        for row in predictions
    ]
    return summarize(
        verdicts,
        [meta["hardness"] for meta in metas],
        [meta["schema_group"] for meta in metas],
        [row["exact"] for row in predictions],
    )


def summary(scores: dict[str, dict[str, Any]], seconds: dict[str, float]) -> dict[str, Any]:
    """Give the content of `quickstart.json`."""
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
    from rich.table import Table

    tuned = scores["tuned"]
    table = Table(title=_title(tuned))
    table.add_column("")
    for name in scores:
        table.add_column(name, justify="right")
    for label, key in (
        ("execution accuracy", "execution_accuracy"),
        ("  ignoring letter case of text", "execution_accuracy_case_blind"),
        ("exact match", "exact_match"),
    ):
        table.add_row(label, *(f"{part[key]:.3f}" for part in scores.values()))
        if key == "execution_accuracy":
            low_high = ("{:.3f} - {:.3f}".format(*part["interval_95"]) for part in scores.values())
            table.add_row("  95 % interval over schemas", *low_high)
    for label in _HARDNESS:
        if label in tuned["by_hardness"]:
            parts = (part["by_hardness"][label]["execution_accuracy"] for part in scores.values())
            table.add_row(f"  {label} ({tuned['by_hardness'][label]['n']})", *(f"{part:.3f}" for part in parts))
    table.add_row("gold that does not run, left out", *(str(part["gold_invalid"]) for part in scores.values()))
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


main = Command("text2sql quickstart", __doc__, _add_flags, _run)

if __name__ == "__main__":
    raise SystemExit(main())
