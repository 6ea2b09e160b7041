"""What `text2sql evaluate` and `spider` share: flags, files of predicted SQL, the report that is written and shown."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from text2sql_lightning.errors import ConfigError, DataError
from text2sql_lightning.files.jsonl import JsonObject, decode_line, json_type, read_lines, read_objects, text_field
from text2sql_lightning.runs.run_meta import package_versions

if TYPE_CHECKING:
    from text2sql_lightning.evaluation.pages import Evaluation

_Key = TypeVar("_Key", int, str)


def add_scoring_flags(parser: ArgumentParser, stem: str) -> None:
    """Add the flags of an evaluation that writes `stem.json` and its companions."""
    add = parser.add_argument
    add("--max_examples", type=int, metavar="N", help="score a seeded sample with the same shares of hardness")
    add("--timeout_s", type=float, default=5.0, help="seconds that a query may take on one database")
    add("--workers", type=int, default=1, help="processes that execute; the verdicts do not depend on it")
    add("--out_dir", type=Path, default=Path("reports"), help=f"folder for {stem}.json, .jsonl, .md, .html, pictures")
    add("--seed", type=int, default=0, help="decides the sample, the databases that are made and the intervals")


def check_scoring(args: Namespace) -> None:
    """Refuse numbers that make no sense.

    Raises:
        ConfigError: Names the flag, its value and what is allowed.
    """
    if args.max_examples is not None and args.max_examples < 1:
        raise ConfigError(f"--max_examples is {args.max_examples}; it must be at least 1, or left out for all")
    if args.workers < 1 or not args.timeout_s > 0:
        raise ConfigError("--workers must be at least 1 and --timeout_s above 0")


def write_report(args: Namespace, stem: str, evaluation: "Evaluation", rows: Iterable[Mapping[str, Any]]) -> None:
    """Write an evaluation as JSON, JSON lines and pages, and print its figures.

    Args:
        args: The flags of `add_scoring_flags`.
        stem: The name of the files, without suffix.
        evaluation: What was found.
        rows: A line for each example.
    """
    from text2sql_lightning.evaluation.pages import write_evaluation

    facts = {"rules": evaluation.rules, "run": evaluation.facts, "versions": package_versions()}
    write_evaluation(args.out_dir, stem, evaluation, {**evaluation.figures, **facts}, [*rows])
    _print_figures(evaluation, args.out_dir / f"{stem}.html")


def _print_figures(evaluation: "Evaluation", report: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from text2sql_lightning.evaluation.pages import error_text
    from text2sql_lightning.files.pages import show

    figures = evaluation.figures
    labels = {measure.figure: measure.label for measure in evaluation.measures}
    shown = [measure for measure in evaluation.measures if figures[measure.figure] is not None]
    table = Table(title=f"{evaluation.title}, n = {figures['n']}", title_justify="left")
    for head in ("", "share", "95 % interval", "n"):
        table.add_column(head, justify="left" if not head else "right")
    for measure in shown:
        interval = show(figures["intervals_95"][measure.figure])
        table.add_row(measure.label, show(figures[measure.figure]), interval, str(figures["n"]))
    table.add_section()
    for name, part in figures["by_hardness"].items():
        share, interval = show(part[figures["headline"]]), show(part["interval_95"])
        table.add_row(f"{name}, {labels[figures['headline']].lower()}", share, interval, str(part["n"]))
    console = Console()
    console.print(table)
    errors = ", ".join(f"{error_text(name)} {count}" for name, count in figures["errors"].items())
    console.print(f"errors: {errors or 'none'}", highlight=False, soft_wrap=True)
    console.print(f"report: {report}", highlight=False, soft_wrap=True)


def read_by_index(path: Path, total: int, wanted: Sequence[int]) -> list[str]:
    """Read the predictions for examples that are known by their number.

    Args:
        path: One query a line (what follows a tab is ignored, an empty line is an empty answer), or JSON lines with
            `index` and `sql`, or `predicted` as in `eval_spider.jsonl`.
        total: Examples in the whole set: a plain file has as many lines.
        wanted: The examples to give.

    Raises:
        DataError: The file is missing, not UTF-8, has another number of lines, or an index that is unknown, there
            twice or not there; names file and line.
    """
    if not _is_json_lines(path):
        lines = [decode_line(line, path, number).split("\t")[0].strip() for number, line in read_lines(path)]
        if len(lines) != total:
            raise DataError(
                f"{path}, line {len(lines)}: the file ends, with {len(lines)} queries for {total} examples; one query "
                'a line, in the order of the examples, or JSON lines {"index": 0, "sql": "..."}'
            )
        return [lines[index] for index in wanted]
    found = _read_unique(path, "index", lambda entry, place: _index_of(entry, total, place))
    for index in wanted:
        if index not in found:
            raise DataError(
                f"{path}: index {index} is missing; it has {len(found)} predictions, and every example needs one"
            )
    return [found[index] for index in wanted]


def read_by_id(path: Path, ids: Sequence[str]) -> dict[str, str]:
    """Read predictions for records.

    Args:
        path: `predictions.jsonl` of `text2sql predict` or `test`, or JSON lines with `id` and `sql`.
        ids: The ids of all records.

    Returns:
        Id -> predicted SQL, for every record that the file answers.

    Raises:
        DataError: The file is missing, not UTF-8 or not JSON lines, or an id is unknown or there twice; names file
            and line.
    """
    known = set(ids)

    def id_of(entry: JsonObject, place: str) -> str:
        name = text_field(entry, "id", place)
        if name not in known:
            raise DataError(f"{place}: id {name!r} is in none of the records; give the records that were predicted")
        return name

    found = _read_unique(path, "id", id_of)
    if not found:
        raise DataError(f"{path} holds no predictions; run text2sql predict")
    return found


def _read_unique(path: Path, field: str, key_of: Callable[[JsonObject, str], _Key]) -> dict[_Key, str]:
    found: dict[_Key, str] = {}
    for line, entry in read_objects(path):
        place = f"{path}, line {line}"
        key = key_of(entry, place)
        if key in found:
            raise DataError(f"{place}: {field} {key!r} is there twice; one prediction for each")
        found[key] = text_field(entry, "predicted" if "predicted" in entry and "sql" not in entry else "sql", place)
    return found


def _index_of(entry: JsonObject, total: int, place: str) -> int:
    index = entry.get("index")
    if not isinstance(index, int) or isinstance(index, bool):
        given = json_type(index) if "index" in entry else "no such field"
        raise DataError(f"{place}, field index: expected a number from 0 to {total - 1}, got {given}")
    if not 0 <= index < total:
        raise DataError(f"{place}: index {index} is unknown; there are examples 0 to {total - 1}")
    return index


def _is_json_lines(path: Path) -> bool:
    first = next((line.strip() for _, line in read_lines(path) if line.strip()), b"")
    return path.suffix in (".jsonl", ".gz") or first.startswith(b"{")
