"""Compare two evaluations of the same examples: a paired test, and who won which examples."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from text2sql_lightning.commands.console import Command
from text2sql_lightning.errors import DataError
from text2sql_lightning.evaluation.comparison import COMPARISON_RULES, Comparison, compare
from text2sql_lightning.evaluation.pages import conclusion, write_comparison
from text2sql_lightning.evaluation.results import ALL_VERDICTS, ScoredExample, from_row
from text2sql_lightning.files.atomic import write_json
from text2sql_lightning.files.jsonl import read_objects

STEM = "comparison"


def _add_flags(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("a", type=Path, metavar="A.jsonl", help="eval_spider.jsonl or eval_internal.jsonl of one run")
    add("b", type=Path, metavar="B.jsonl", help="the same of the other run, on the same examples")
    add("--names", nargs=2, metavar=("A", "B"), help="what to call the two; else folder and file name")
    add("--measure", choices=ALL_VERDICTS, default="exec", help="the verdict that is compared")
    add("--out_dir", type=Path, default=Path("reports"), help="folder for comparison.json, .md, .html and the picture")
    add("--seed", type=int, default=0, help="decides the resampling of the interval")


def _run(args: Namespace) -> None:
    names = tuple(args.names) if args.names else _names(args.a, args.b)
    comparison = compare(read_scored(args.a), read_scored(args.b), names=names, verdict=args.measure, seed=args.seed)
    write_json(args.out_dir / f"{STEM}.json", _summary(comparison))
    write_comparison(args.out_dir, STEM, comparison)
    figures = comparison.figures
    print(f"n = {figures['n']}, {args.measure}: A {figures['a']:.4f} ({names[0]}), B {figures['b']:.4f} ({names[1]})")
    print(f"only A right {figures['only_a_right']}, only B right {figures['only_b_right']}. {conclusion(comparison)}")
    print(f"report: {args.out_dir / f'{STEM}.html'}")


def read_scored(path: Path) -> list[ScoredExample]:
    """Read the JSON lines of an evaluation.

    Raises:
        DataError: A line is not of an evaluation, or an example is there twice; names file and line.
    """
    examples: dict[str, ScoredExample] = {}
    for line, row in read_objects(path):
        place = f"{path}, line {line}"
        example = from_row(row, place)
        if example.key in examples:
            raise DataError(f"{place}: example {example.key} is there twice")
        examples[example.key] = example
    if not examples:
        raise DataError(f"{path} holds no examples; give the eval_*.jsonl of an evaluation command")
    return list(examples.values())


def _names(a: Path, b: Path) -> tuple[str, str]:
    """Call each run by as little of its path as tells the two apart."""
    if a.stem != b.stem:
        return a.stem, b.stem
    if a.parent.name != b.parent.name:
        return a.parent.name or ".", b.parent.name or "."
    return str(a), str(b)


def _summary(comparison: Comparison) -> dict[str, object]:
    a, b = comparison.names
    return {
        "a_name": a,
        "b_name": b,
        "measure": comparison.verdict,
        **comparison.figures,
        "conclusion": conclusion(comparison),
        "only_a_right_examples": [pair[0].key for pair in comparison.won_by(0)],
        "only_b_right_examples": [pair[0].key for pair in comparison.won_by(1)],
        "rules": COMPARISON_RULES,
    }


main = Command("text2sql compare", __doc__, _add_flags, _run)

if __name__ == "__main__":
    raise SystemExit(main())
