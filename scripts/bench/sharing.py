"""How a training step grows with sequence length and questions per schema on a CPU: `python scripts/bench/sharing.py`.

Random tokens laid out like text-to-SQL records; plain transformers, ours in padded batches, and ours in shared-prefix
packs take the same examples, eight a step, with activations computed again in the backward pass; packs also without.
"""

import json
import subprocess
import sys
import tempfile
from argparse import ArgumentDefaultsHelpFormatter, Namespace
from pathlib import Path
from typing import Any, Final

from processes import machine

from text2sql_lightning.commands.console import OneLineParser, run_command
from text2sql_lightning.commands.gpu_benchmark import WORKER
from text2sql_lightning.constants import EMBEDDED_BASE_MODEL
from text2sql_lightning.errors import RunError
from text2sql_lightning.files.atomic import write_json
from text2sql_lightning.modeling.bundled import ensure_embedded_model

EXAMPLES: Final = 8
PATHS: Final = {
    "transformers": "transformers",
    "ours, padded": "ours, transformers",
    "ours, shared": "ours, transformers, shared",
    "activations kept": "ours, transformers, shared, no recompute",
}


def main() -> int:
    """Measure and print a Markdown table; `--out` gets the figures."""
    parser = OneLineParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("--lengths", type=int, nargs="+", default=[128, 256, 512], help="tokens of an example")
    add("--per_schema", type=int, nargs="+", default=[1, 2, 4, 8], help="questions of each schema")
    add("--model", type=Path, default=Path(EMBEDDED_BASE_MODEL), help="folder of the base model")
    add("--steps", type=int, default=3, help="timed steps; medians count")
    add("--out", type=Path, default=Path("reports/sharing.json"))
    given = parser.parse_args()
    return run_command(lambda: _run(given))


def _run(given: Namespace) -> None:
    if given.model == Path(EMBEDDED_BASE_MODEL):
        ensure_embedded_model(given.model)
    loads = [[length, EXAMPLES, number] for length in given.lengths for number in given.per_schema]
    with tempfile.TemporaryDirectory() as name:
        lines = Path(name) / "lines.jsonl"
        command = [sys.executable, "-m", WORKER, "--library", "transformers", "--model", str(given.model)]
        command += ["--loads", json.dumps(loads), "--warm_up", "1", "--steps", str(given.steps), "--out", str(lines)]
        if subprocess.run(command, check=False).returncode:
            raise RunError("benchmark: the steps could not be timed: see the lines above")
        results = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    given.out.parent.mkdir(parents=True, exist_ok=True)
    report = {"machine": machine(), "results": results}
    write_json(given.out, report)
    print(table(report))


def table(report: dict[str, Any]) -> str:
    """Give seconds of a step, a line for each length and number of questions."""
    rows = {(row["length"], row["per_schema"], row["path"]): row for row in report["results"]}
    lines = [
        "| tokens | questions a schema | computed of them | transformers | ours, padded | ours, shared "
        "| activations kept | against padded | against transformers |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for length, number in sorted({key[:2] for key in rows}):
        plain, padded, shared, kept = (rows[length, number, path] for path in PATHS.values())
        lines.append(
            f"| {length} | {number} | {shared['distinct_tokens'] / (EXAMPLES * length):.0%} | {plain['seconds']:.1f} s "
            f"| {padded['seconds']:.1f} s | {shared['seconds']:.1f} s "
            f"| {kept['seconds']:.1f} s | {padded['seconds'] / shared['seconds']:.1f} x "
            f"| {plain['seconds'] / shared['seconds']:.1f} x |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
