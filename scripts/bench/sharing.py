"""How a training step grows with sequence length and questions per schema on a CPU: `python scripts/bench/sharing.py`.

Random tokens laid out like text-to-SQL records; plain transformers, ours in padded batches, and ours in shared-prefix
packs take the same examples, eight a step, with activations computed again in the backward pass; packs also without.
"""

import json
import sys
import tempfile
from argparse import ArgumentDefaultsHelpFormatter, Namespace
from pathlib import Path
from typing import Any, Final

from common import machine, markdown_table, prepare_report
from gpu_benchmark import time_steps

from text2sql_lightning.commands.console import OneLineParser, run_command
from text2sql_lightning.constants import EMBEDDED_BASE_MODEL
from text2sql_lightning.errors import RunError
from text2sql_lightning.files.atomic import write_json

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
    prepare_report(given.out, given.model)
    loads = [[length, EXAMPLES, number] for length in given.lengths for number in given.per_schema]
    with tempfile.TemporaryDirectory() as name:
        lines = Path(name) / "lines.jsonl"
        if time_steps("transformers", given.model, loads, lines, steps=given.steps, warm_up=1):
            raise RunError("benchmark: the steps could not be timed: see the lines above")
        results = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    report = {"machine": machine(), "results": results}
    write_json(given.out, report)
    print(table(report))


def table(report: dict[str, Any]) -> str:
    """Return seconds of a step, a line for each length and number of questions."""
    rows = {(row["length"], row["per_schema"], row["path"]): row for row in report["results"]}
    table_rows = []
    for length, number in sorted({key[:2] for key in rows}):
        plain, padded, shared, kept = (rows[length, number, path] for path in PATHS.values())
        table_rows.append(
            (
                str(length),
                str(number),
                f"{shared['distinct_tokens'] / (EXAMPLES * length):.0%}",
                *(f"{row['seconds']:.1f} s" for row in (plain, padded, shared, kept)),
                *(f"{row['seconds'] / shared['seconds']:.1f} x" for row in (padded, plain)),
            )
        )
    return markdown_table(
        "tokens | questions a schema | computed of them | transformers | ours, padded | ours, shared "
        "| activations kept | against padded | against transformers",
        table_rows,
    )


if __name__ == "__main__":
    sys.exit(main())
