"""Tables and pictures of `docs/benchmarks.md` from what was measured: `python scripts/bench/report.py`.

Reads `reports/bench.json`, `growth.json` and `sharing.json`, as far as they are there, and replaces what stands between
the two `measured` comments of the page.
"""

import json
import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from pathlib import Path
from typing import Any, Final

import growth
import sharing

from text2sql_lightning.atomic import write_text
from text2sql_lightning.evaluation.pictures import Bar, draw_bars

BEGIN: Final = "<!-- measured: written by scripts/bench/report.py -->"
END: Final = "<!-- /measured -->"


def main() -> None:
    """Write the page's section."""
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("--reports", type=Path, default=Path("reports"), help="folder of the figures")
    add("--page", type=Path, default=Path("docs/benchmarks.md"))
    given = parser.parse_args()
    text = given.page.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or END not in text:
        sys.exit(f"error: {given.page} has no section between {BEGIN} and {END}; put both lines where it belongs")
    before, rest = text.split(BEGIN)
    parts = [BEGIN, *sections(given.reports, given.page.parent / "images"), END]
    write_text(given.page, before + "\n\n".join(parts) + rest.split(END)[1])


def sections(reports: Path, images: Path) -> list[str]:
    """Give the parts of the section as Markdown, and draw their pictures."""
    found = {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name in ("bench", "growth", "sharing")
        if (path := reports / f"{name}.json").is_file()
    }
    parts = []
    beside_peers = {name: result for name, result in found.get("bench", {}).items() if ": " in name}
    if beside_peers:
        draw_rates(beside_peers, images / "bench.png")
        parts += [peer_table(beside_peers), "![examples a second beside the peers](images/bench.png)"]
    if "sharing" in found:
        draw_sharing(found["sharing"], images / "sharing.png")
        parts += [sharing.table(found["sharing"]), "![speed by length and questions per schema](images/sharing.png)"]
    if "growth" in found:
        parts.append(growth.table(found["growth"]))
    return parts


def peer_table(results: dict[str, Any]) -> str:
    """Give a line for each comparison: medians, the range of the rounds, memory, share of the ceiling."""
    lines = [
        "| what | n | ours, examples/s | peer, examples/s | faster | memory, ours and peer | of it | of the ceiling |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        rates = (
            f"{result[side]:.2f} ({min(result['rounds'][side]):.2f} - {max(result['rounds'][side]):.2f})"
            for side in ("ours", "peer")
        )
        peaks, share = result["peak_mib"], result.get("share_of_ceiling")
        ceiling = "-" if share is None else f"{share:.0%} of {result['gemm_gflops']:.0f} GFLOP/s"
        lines.append(
            f"| {name} | {result['n']} | {' | '.join(rates)} | {result['ratio']:.2f} x "
            f"| {peaks['ours']:.0f}, {peaks['peer']:.0f} MiB | {result['memory_ratio']:.2f} x | {ceiling} |"
        )
    return "\n".join(lines)


def draw_rates(results: dict[str, Any], path: Path) -> None:
    """Draw examples a second, the peer's and ours."""
    series = {
        label: [Bar(name, result[side], text=f"{result[side]:.2f}") for name, result in results.items()]
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
            Bar(f"{number} questions a schema", ratio, text=f"{ratio:.1f} x")
            for number in numbers
            for ratio in [rows[length, number, padded] / rows[length, number, shared]]
        ]
        for length in lengths
    }
    draw_bars(series, path, axis="speed of a step with shared prefixes over that of padded batches")


if __name__ == "__main__":
    main()
