"""Tables and pictures of `docs/benchmarks.md` from what was measured: `python scripts/bench/report.py`.

Of `reports/bench.json`, `sharing.json` and `growth.json` those that exist replace what is between the two
comments of their part of the page; the other parts stay.
"""

import json
import re
import sys
from argparse import ArgumentDefaultsHelpFormatter, Namespace
from pathlib import Path
from typing import Any, Final

import growth
import sharing
from common import markdown_table

from text2sql_lightning.commands.console import OneLineParser, run_command
from text2sql_lightning.errors import ConfigError
from text2sql_lightning.files.atomic import write_text
from text2sql_lightning.files.charts import Bar, draw_bars

PARTS: Final = ("bench", "sharing", "growth")


def main() -> int:
    """Write the parts of the page that were measured."""
    parser = OneLineParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("--reports", type=Path, default=Path("reports"), help="folder of the figures")
    add("--page", type=Path, default=Path("docs/benchmarks.md"))
    given = parser.parse_args()
    return run_command(lambda: _run(given))


def _run(given: Namespace) -> None:
    text = given.page.read_text(encoding="utf-8")
    for part in PARTS:
        path = given.reports / f"{part}.json"
        if path.is_file():
            report = json.loads(path.read_text(encoding="utf-8"))
            text = replace_part(text, part, part_of_page(part, report, given.page.parent / "images"), given.page)
            print(f"{given.page}: {part}")
    write_text(given.page, text)


def replace_part(text: str, part: str, content: str, page: Path) -> str:
    """Put content between the two comments of a part.

    Raises:
        ConfigError: It lacks them, once each and in order.
    """
    begin, end = f"<!-- measured: {part} -->", f"<!-- /measured: {part} -->"
    found = re.fullmatch(f"(.*{re.escape(begin)}\\n).*(\\n{re.escape(end)}.*)", text, re.DOTALL)
    if found is None or text.count(begin) != 1 or text.count(end) != 1:
        raise ConfigError(f"{page} has no lines {begin} and {end}: put both where the tables belong")
    return f"{found[1]}\n{content}\n{found[2]}"


def part_of_page(part: str, report: dict[str, Any], images: Path) -> str:
    """Return a part as Markdown, and draw its picture."""
    if part == "growth":
        return f"{report['machine']}:\n\n{growth.table(report)}"
    if part == "sharing":
        draw_sharing(report["results"], images / "sharing.png")
        picture = "![speed of a step by length and questions per schema](images/sharing.png)"
        return f"{report['machine']}:\n\n{sharing.table(report)}\n\n{picture}"
    peers = {name: result for name, result in report.items() if ": " in name}
    machines = "; ".join(dict.fromkeys(result["machine"] for result in peers.values()))
    draw_rates(peers, images / "bench.png")
    picture = "![examples a second beside the peers](images/bench.png)"
    return f"{machines}:\n\n{peer_table(peers)}\n\n{picture}"


def peer_table(results: dict[str, Any]) -> str:
    """Return a line for each comparison: medians, the range of the rounds, memory, share of the ceiling."""
    rows = []
    for name, result in results.items():
        rates = (
            f"{result[side]:.2f} ({min(result['rounds'][side]):.2f} - {max(result['rounds'][side]):.2f})"
            for side in ("ours", "peer")
        )
        peaks, share = result["peak_mib"], result.get("share_of_ceiling")
        ceiling = "-" if share is None else f"{share:.0%} of {result['gemm_gflops']:.0f} GFLOP/s"
        memory = f"{peaks['ours']:.0f}, {peaks['peer']:.0f} MiB"
        rows.append(
            (
                name,
                str(result["n"]),
                *rates,
                f"{result['ratio']:.2f} x",
                memory,
                f"{result['memory_ratio']:.2f} x",
                ceiling,
            )
        )
    return markdown_table(
        "what | n | ours, examples/s | peer, examples/s | faster | memory, ours and peer | of it | of the ceiling", rows
    )


def draw_rates(results: dict[str, Any], path: Path) -> None:
    """Draw examples a second, the peer's and ours."""
    series = {
        label: [
            Bar(name.removeprefix("training: "), result[side], text=f"{result[side]:.2f}")
            for name, result in results.items()
        ]
        for label, side in (("peer", "peer"), ("ours", "ours"))
    }
    draw_bars(series, path, axis="examples a second")


def draw_sharing(results: list[dict[str, Any]], path: Path) -> None:
    """Draw how much faster shared prefixes are than padded batches, a colour for each length."""
    rows = {(row["length"], row["per_schema"], row["path"]): row["seconds"] for row in results}
    padded, shared = sharing.PATHS["ours, padded"], sharing.PATHS["ours, shared"]
    lengths, numbers = (sorted({key[at] for key in rows}) for at in (0, 1))
    series = {
        f"{length} tokens": [
            Bar(f"{number} question{'s' * (number > 1)} a schema", ratio, text=f"{ratio:.1f} x")
            for number in numbers
            for ratio in [rows[length, number, padded] / rows[length, number, shared]]
        ]
        for length in lengths
    }
    draw_bars(series, path, axis="speed of a step with shared prefixes over that of padded batches")


if __name__ == "__main__":
    sys.exit(main())
