"""Time and memory of scoring Spider, beside the official evaluator's in the same run: `make bench OFFICIAL=checkout`.

Both work through the same predictions in processes of their own, by turns, each with one process at work (the official
script knows no more); `--workers` adds a line for ours with more. The official script runs on copies of the databases:
what a prediction does to them stays done.
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from common import machine, prepare_report, run_or_work, run_part

from text2sql_lightning.benchmarks.spider import SpiderExample, load_spider
from text2sql_lightning.commands.console import OneLineParser, run_command
from text2sql_lightning.errors import DataError, RunError
from text2sql_lightning.evaluation.spider.score import score_spider
from text2sql_lightning.files.atomic import write_json
from text2sql_lightning.runs.run_meta import peak_memory_bytes

# NLTK's sentence splitter needs data that pip does not bring; a query is one sentence anyway.
_OFFICIAL: Final = """
import functools, runpy, sys, nltk
try:
    nltk.word_tokenize("a")
except LookupError:
    nltk.word_tokenize = functools.partial(nltk.word_tokenize, preserve_line=True)
sys.path.insert(0, ".")
runpy.run_path("evaluation.py", run_name="__main__")
"""


def main(args: list[str] | None = None) -> int:
    """Run the comparison; returns the exit status."""
    parser = OneLineParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--official", type=Path, required=True, help="checkout of taoyds/test-suite-sql-eval")
    parser.add_argument("--official_python", default=sys.executable, help="Python that has sqlparse and nltk")
    parser.add_argument("--spider_dir", type=Path, required=True, help="dev.json, tables.json, database/")
    parser.add_argument(
        "--test_suite_dir", type=Path, help="<database>/*.sqlite (default: SPIDER_DIR/testsuite_database)"
    )
    parser.add_argument("--predictions", type=Path, help="one SQL a line (default: the gold queries)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, by turns; medians count")
    parser.add_argument("--workers", type=int, default=2, help="processes of the additional line")
    parser.add_argument("--out", type=Path, default=Path("reports/bench.json"))
    given = parser.parse_args(args)
    return run_command(lambda: _compare(given))


def score(job: dict[str, Any]) -> dict[str, Any]:
    """Score as our side of the comparison; return the share that is right and the largest memory."""
    import resource

    spider = load_spider(Path(job["spider"]))
    lines = [line.split("\t")[0] for line in Path(job["predictions"]).read_text(encoding="utf-8").splitlines()]
    folder, workers = Path(job["databases"]), job["workers"]
    verdicts = score_spider(
        spider.examples, lines, spider.schemas, database_dir=folder, test_suite_dir=None, workers=workers
    )
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    accuracy = sum(bool(verdict.exec) for verdict in verdicts) / len(verdicts)
    return {"accuracy": accuracy, "peak_mib": peak_memory_bytes() / 2**20 + workers * worker}


def _compare(given: Namespace) -> None:
    spider, official = given.spider_dir.resolve(), given.official.resolve()
    if not (official / "evaluation.py").is_file():
        raise DataError(f"no evaluation.py in {official}; give a checkout of taoyds/test-suite-sql-eval")
    if os.sep in given.official_python:  # it is started from the checkout; a virtual environment's link stays a link
        given.official_python = str(Path(given.official_python).absolute())
    suite = (given.test_suite_dir or spider / "testsuite_database").resolve()
    examples = load_spider(spider).examples
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        predictions = _write_queries(work, examples, given.predictions)
        for label, folder in (("spider_dev_database", spider / "database"), ("spider_dev_test_suite", suite)):
            if folder.is_dir():
                shutil.copytree(folder, work / label)
                rounds = [
                    _round(given, official, spider, folder, work / label, predictions) for _ in range(given.rounds)
                ]
                report |= _summary(label, rounds, given.workers, len(examples))
    write_json(given.out, prepare_report(given.out) | report)
    print(f"written to {given.out}")


def _round(
    given: Namespace, official: Path, spider: Path, folder: Path, copy: Path, predictions: Path
) -> list[dict[str, Any]]:
    """Run the official script, ours with one worker, ours with more."""
    files = ["--gold", str(predictions.with_name("gold.txt")), "--pred", str(predictions), "--db", str(copy)]
    settings = ["--table", str(spider / "tables.json"), "--etype", "all"]
    runs = [_timed(lambda: _run_official([given.official_python, "-c", _OFFICIAL, *files, *settings], official))]
    job = {"spider": str(spider), "databases": str(folder), "predictions": str(predictions)}
    for workers in (1, given.workers):
        ours = job | {"workers": workers, "out": str(predictions.with_name("score.json"))}
        runs.append(_timed(partial(run_part, __file__, ours, "score")))
    return runs


def _timed(run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Add wall and processor seconds to what a process reports, processes that it started included."""
    before, start = os.times(), time.perf_counter()
    result = run()
    after, wall = os.times(), time.perf_counter() - start
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {"wall_s": wall, "cpu_s": cpu, **result}


def _run_official(command: Sequence[str], folder: Path) -> dict[str, Any]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RunError(f"the official script ended with status {done.returncode}: {last}")
    found = re.search(r"^execution\s+(.*)$", done.stdout, re.MULTILINE)
    if found is None:
        raise RunError("the official script printed no line `execution`; is it the version that does?")
    return {"accuracy": float(found[1].split()[4])}  # easy, medium, hard, extra, all


def _write_queries(work: Path, examples: Sequence[SpiderExample], given: Path | None) -> Path:
    """Write gold and predictions as the official script reads them: an empty line ends a session, so none is there."""
    gold = [" ".join(example.gold.split()) for example in examples]
    (work / "gold.txt").write_text(
        "".join(f"{sql}\t{example.db_id}\n" for sql, example in zip(gold, examples, strict=True)), encoding="utf-8"
    )
    lines = gold if given is None else [line.split("\t")[0] for line in given.read_text(encoding="utf-8").splitlines()]
    if len(lines) != len(examples):
        raise DataError(f"{given} has {len(lines)} lines for {len(examples)} examples; give one prediction a line")
    predictions = work / "predictions.txt"
    predictions.write_text("".join(f"{line.strip() or 'SELECT'}\n" for line in lines), encoding="utf-8")
    return predictions


def _summary(label: str, rounds: Sequence[Sequence[dict[str, Any]]], workers: int, n: int) -> dict[str, Any]:
    theirs, alone, several = zip(*rounds, strict=True)
    summary = {}
    for name, ours in ((label, alone), (f"{label}_{workers}_workers", several)):
        wall, peer = (statistics.median(run["wall_s"] for run in runs) for runs in (ours, theirs))
        cpu, peer_cpu = (statistics.median(run["cpu_s"] for run in runs) for runs in (ours, theirs))
        peak, accuracy, official = max(run["peak_mib"] for run in ours), ours[0]["accuracy"], theirs[0]["accuracy"]
        summary[name] = {
            "ours": round(wall, 2),
            "peer": round(peer, 2),
            "ratio": round(wall / peer, 3),
            "unit": "s",
            "cpu": {"ours": round(cpu, 2), "peer": round(peer_cpu, 2), "ratio": round(cpu / peer_cpu, 3)},
            "peak_mib": round(peak),
            "n": n,
            "rounds": len(rounds),
            "accuracy": {"ours": round(accuracy, 4), "peer": official},
            "machine": machine(),
            "versions": {"python": sys.version.split()[0], "peer": "taoyds/test-suite-sql-eval"},
        }
        print(
            f"{name}: ours {wall:.1f} s ({cpu:.1f} s of processor, at most {peak:.0f} MiB), official {peer:.1f} s "
            f"({peer_cpu:.1f} s), {wall / peer:.2f} of its time, {cpu / peer_cpu:.2f} of its work; "
            f"right: {accuracy:.4f} and {official:.3f}; medians of {len(rounds)}",
            flush=True,
        )
    return summary


if __name__ == "__main__":
    run_or_work(main, {"score": score})
