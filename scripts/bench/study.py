"""What the data's repairs and the packs do to accuracy, at equal steps: `python scripts/bench/study.py --help`.

`data` trains on the same number of records of the rows as they are, then decontaminated, then with the case of
literals repaired, then with distractors; `packing` trains on the same records in padded batches and in shared-prefix
packs. Every arm answers the same records, whose tables and questions none of them was trained on. On a GPU:
`--config configs/experiment/smollm2_qlora.yaml --jobs 4`.
"""

import json
import re
import subprocess
import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from common import ROOT, markdown_table
from tqdm import tqdm

from text2sql_lightning.constants import EMBEDDED_BASE_MODEL
from text2sql_lightning.data.records import read_records
from text2sql_lightning.files.atomic import write_json
from text2sql_lightning.files.jsonl import read_objects
from text2sql_lightning.modeling.bundled import ensure_embedded_model

_RAW: Final = ("--no_decontaminate", "--literal_case", "keep", "--distractors", "0")


@dataclass(frozen=True)
class Arm:
    """One way to train: how its data is built, and what `text2sql fit` is told besides."""

    name: str
    build: tuple[str, ...] = ()
    fit: tuple[str, ...] = ()


ARMS: Final = {
    "data": (
        Arm("raw", _RAW),
        Arm("decontaminated", _RAW[1:]),
        Arm("literal case repaired", _RAW[3:]),
        Arm("with distractors"),
    ),
    "packing": (
        Arm("padded", _RAW[3:], ("--data.packing", "none")),
        Arm("shared prefixes", _RAW[3:], ("--data.packing", "shared_prefix")),
    ),
}


def main() -> None:
    """Run the study; an arm whose figures are already there is not run again."""
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("study", choices=ARMS)
    add("--rows", type=Path, required=True, help="question / context / answer rows")
    add("--spider_dir", type=Path, help="score on Spider dev as well")
    add("--seeds", type=int, nargs="+", default=[42], help="each makes another split and another order")
    add("--config", default="configs/experiment/quickstart_cpu.yaml", help="how every arm is trained")
    add("--train_examples", type=int, default=800, help="records that each arm sees")
    add("--passes", type=int, default=1, help="over these records")
    add("--jobs", type=int, default=1, help="arms at the same time")
    add("--build_only", action="store_true", help="make the data of all arms and stop")
    add("--test_examples", type=int, default=180)
    add("--spider_examples", type=int, default=200)
    add("--batch_size", type=int, default=50, help="questions answered at the same time")
    add("--out", type=Path, default=Path("outputs/studies"))
    options = parser.parse_args()
    options.out, options.rows = options.out.resolve(), options.rows.resolve()  # commands run in the repository's root
    options.spider_dir = options.spider_dir and options.spider_dir.resolve()
    ensure_embedded_model(ROOT / EMBEDDED_BASE_MODEL)
    jobs = [(seed, arm) for seed in options.seeds for arm in ARMS[options.study]]
    tests = {seed: hold_out(options.rows, options.out / options.study / f"seed{seed}", seed) for seed in options.seeds}
    with ThreadPoolExecutor(options.jobs) as pool, tqdm(total=len(jobs), desc=options.study, unit="arm") as bar:
        for _ in pool.map(lambda job: finish_arm(job[1], job[0], *tests[job[0]], options), jobs):
            bar.update()
    if not options.build_only:
        print(table(options))


def finish_arm(arm: Arm, seed: int, rows: Path, tests: dict[str, Path], options: Namespace) -> None:
    """Build an arm's data and get its figures, unless they are there."""
    folder = options.out / options.study / f"seed{seed}" / arm.name.replace(" ", "_")
    if not (folder / "data/dataset_report.json").is_file():
        build = ("--val_ratio", "0.03", "--test_ratio", "0", "--seed", str(seed), "--overwrite", *arm.build)
        command("scripts/build_dataset.py", "--input_jsonl", rows, "--out_dir", folder / "data", *build)
    if not options.build_only and not (folder / "result.json").is_file():
        write_json(folder / "result.json", run_arm(arm, tests, folder, seed, options))


def hold_out(rows: Path, folder: Path, seed: int) -> tuple[Path, dict[str, Path]]:
    """Build the test records once, without and with distractors, and leave out all rows that resemble them.

    Returns:
        The rows to train on, and the test records by name.
    """
    tests = {name: folder / f"test_{name}" / "test.jsonl" for name in ("plain", "distractors")}
    rest = folder / "rows.jsonl"
    if rest.is_file():
        return rest, tests
    for name, flags in (("plain", _RAW[3:]), ("distractors", ())):
        build = ("--test_ratio", "0.1", "--val_ratio", "0", "--seed", str(seed), "--overwrite", *flags)
        command("scripts/build_dataset.py", "--input_jsonl", rows, "--out_dir", tests[name].parent, *build)
    raw = [row for _, row in read_objects(rows)]
    held = {record.meta["row"] for record in read_records(tests["plain"])}
    keys = {key for index in held for key in keys_of(raw[index])}
    kept = [row for index, row in enumerate(raw) if index not in held and keys.isdisjoint(keys_of(row))]
    rest.write_text("".join(f"{json.dumps(row)}\n" for row in kept), encoding="utf-8")
    return rest, tests


def keys_of(row: dict[str, Any]) -> set[str]:
    """What two rows have in common when one would help to answer the other: the question, or the set of tables."""
    context = " ".join(sorted(row["context"].lower().split(";")))
    names = sorted(re.findall(r"create table (\S+)", context))
    generic = any(re.fullmatch(r"table_name_\d+", name) for name in names)
    return {f"question {row['question'].lower()}", f"tables {context if generic else ' '.join(names)}"}


def run_arm(arm: Arm, tests: dict[str, Path], folder: Path, seed: int, options: Namespace) -> dict[str, Any]:
    """Train and score one arm.

    Returns:
        Execution accuracy with its 95 % interval by test set.
    """
    data, run = folder / "data", folder / "run"
    fit: tuple[str | Path, ...] = ("--data.train_path", data / "train.jsonl", "--data.val_path", data / "val.jsonl")
    fit += ("--data.max_train_examples", str(options.train_examples), "--data.max_val_examples", "16")
    fit += ("--trainer.max_epochs", str(options.passes))
    fit += ("--seed_everything", str(seed), "--overwrite", "true", "--output_dir", run, *arm.fit)
    command("-m", "text2sql_lightning", "fit", "--config", options.config, *fit)
    result: dict[str, Any] = {}
    ask = ("--base_model", EMBEDDED_BASE_MODEL, "--adapter_dir", run / "adapters", "--out_dir", folder)
    few = ("--batch_size", str(options.batch_size), "--max_examples", str(options.test_examples))
    for name, path in tests.items():
        command("scripts/evaluate_internal.py", "--records", path, *few, *ask)
        result[name] = figures(folder / "eval_internal.json")
    if options.spider_dir is not None:
        few = ("--batch_size", str(options.batch_size), "--max_examples", str(options.spider_examples))
        spider = ("--spider_dir", options.spider_dir, "--max_new_tokens", "96")
        command("scripts/evaluate_spider_external.py", *spider, *few, *ask)
        result["spider"] = figures(folder / "eval_spider.json")
    return result


def figures(path: Path) -> dict[str, Any]:
    """Take what the table shows from a report."""
    report = json.loads(path.read_text(encoding="utf-8"))
    interval = report.get("confidence_interval_95") or report.get("interval_95")
    return {"n": report["n"], "execution_accuracy": report["execution_accuracy"], "interval_95": interval}


def command(*parts: str | Path) -> None:
    """Run one of the project's commands; its own words say what went wrong."""
    subprocess.run([sys.executable, *map(str, parts)], check=True, cwd=ROOT)


def table(options: Namespace) -> str:
    """Return the results as a Markdown table, a line for each arm and seed."""
    lines: list[tuple[str, ...]] = []
    for seed in options.seeds:
        for arm in ARMS[options.study]:
            path = options.out / options.study / f"seed{seed}" / arm.name.replace(" ", "_") / "result.json"
            result = json.loads(path.read_text(encoding="utf-8"))
            cells = (
                f"{one['execution_accuracy']:.3f} ({one['interval_95'][0]:.3f} - {one['interval_95'][1]:.3f})"
                for one in result.values()
            )
            lines.append((arm.name, str(seed), *cells))
    return markdown_table(" | ".join(("trained on", "seed", *result)), lines)


if __name__ == "__main__":
    main()
