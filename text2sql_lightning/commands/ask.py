"""Ask a database a question in words: a trained adapter writes the SQL, and --run executes it, reading only."""

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from text2sql_lightning.commands.console import Command
from text2sql_lightning.errors import ConfigError
from text2sql_lightning.sql.execution import Execution, Value, execute

if TYPE_CHECKING:
    from text2sql_lightning.inference.asking import Answer
    from text2sql_lightning.modeling.settings import GenerationSettings

FAILED: Final = 1
"""Exit code when there is no SQL, or it does not run."""

_SAMPLING_TEMPERATURE: Final = 0.8
_REASONS: Final = {
    "empty": "there is no statement in it",
    "syntax": "SQLite cannot read it",
    "unknown_table": "it names a table that the database does not have",
    "unknown_column": "it names a column that its tables do not have",
    "ambiguous_column": "it names a column that several of its tables have",
    "unknown_function": "it calls a function that SQLite does not have",
    "timeout": "it was interrupted: more time with --timeout_s",
    "refused": "only a single query that reads is executed",
    "too_large": "its result is too large",
    "crashed": "the process that ran it died",
}


def _add_flags(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("question", help="the question, in quotes")
    add("--adapter_dir", type=Path, required=True, metavar="DIR", help="folder adapters/ of a run")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--db", type=Path, metavar="FILE.sqlite", help="database to ask; it is only read")
    source.add_argument("--schema", type=Path, metavar="FILE.sql", help="CREATE TABLE statements, without a database")
    add("--run", action="store_true", help="execute the SQL and print the rows; needs --db")
    add("--json", action="store_true", help="print one JSON object instead")
    add("--max_rows", type=int, default=50, metavar="N", help="rows that --run prints at most")
    add("--timeout_s", type=float, default=10.0, metavar="S", help="seconds that a query may take")
    add("--base_model", metavar="DIR|NAME", help="base model, where it is not the one that the adapter names")
    add("--quantization", choices=("nf4", "int8", "none"), help="how the base weights are kept; default: as in the run")
    add("--max_new_tokens", type=int, default=256, metavar="N", help="tokens at which an answer is cut")
    add("--num_samples", type=int, default=1, metavar="N", help="answers to choose from")
    add("--num_beams", type=int, default=1, metavar="N", help="answers to choose from, the likeliest that there are")
    text = "which of them counts; default: vote between samples, first_executable of beams"
    add("--choice", choices=("first", "vote", "first_executable"), help=text)
    text = "answers that are drawn where the only one does not run; the first that runs takes its place"
    add("--retries", type=int, default=0, metavar="N", help=text)
    text = f"0 takes the likeliest token; default: {_SAMPLING_TEMPERATURE} for several samples, else 0"
    add("--temperature", type=float, metavar="T", help=text)
    add("--seed", type=int, default=0, help="decides what is sampled")


def _ask(args: Namespace) -> int:
    _check(args)
    from text2sql_lightning.modeling.settings import check_generation

    settings = _generation(args)
    check_generation(settings, "--")
    answer = _answer(args, settings)
    result = execute(args.db, answer.sql, timeout_s=args.timeout_s) if args.run and answer.sql else None
    if args.json:
        print(json.dumps(_as_json(args, answer, result), ensure_ascii=False))
    elif answer.sql:
        print(answer.sql, flush=True)
        if result is not None and result.error is None:
            _print_rows(result, args.max_rows)
    problem = _problem(answer, result)
    if problem:
        print(f"error: {problem}", file=sys.stderr)
    return FAILED if problem else 0


def _check(args: Namespace) -> None:
    if not args.question.strip():
        raise ConfigError("the question is empty: ask something, in words and in quotes")
    if args.run and not args.db:
        raise ConfigError("--run needs a database to run the SQL on: give --db FILE.sqlite instead of --schema")
    if args.max_rows < 1:
        raise ConfigError(f"--max_rows is {args.max_rows}; it must be at least 1")
    if not args.timeout_s > 0:
        raise ConfigError(f"--timeout_s is {args.timeout_s}; it must be a number above 0")


def _generation(args: Namespace) -> "GenerationSettings":
    from text2sql_lightning.modeling.settings import Choice, GenerationSettings

    several = args.num_samples > 1
    usual: Choice = "vote" if several else "first_executable" if args.num_beams > 1 else "first"
    temperature = args.temperature if args.temperature is not None else _SAMPLING_TEMPERATURE * several
    return GenerationSettings(
        max_new_tokens=args.max_new_tokens,
        temperature=temperature,
        num_beams=args.num_beams,
        num_samples=args.num_samples,
        choice=args.choice or usual,
        retries=args.retries,
        seed=args.seed,
    )


def _answer(args: Namespace, settings: "GenerationSettings") -> "Answer":
    from text2sql_lightning.inference.asking import Asker, read_schema

    read_schema(args.db or args.schema)  # what is wrong with it shows before a model is loaded
    _quiet()
    asker = Asker.from_adapter(
        args.adapter_dir, base_model=args.base_model, quantization=args.quantization, generation=settings
    )
    return asker.answer(args.question, args.db or args.schema, timeout_s=args.timeout_s)


def _quiet() -> None:
    """Leave the output to the answer: no bars for the loading of weights, no hints of libraries."""
    import logging

    import transformers

    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)


def _problem(answer: "Answer", result: Execution | None) -> str:
    if not answer.sql:
        excerpt = " ".join(answer.raw.split())[:80]
        return f"the model wrote no SQL, but {excerpt!r}: ask in other words, or train longer"
    if result is None or result.error is None:
        return ""
    return f"the SQL does not run ({result.error}): {_REASONS.get(result.error, 'SQLite gives no reason')}"


def _as_json(args: Namespace, answer: "Answer", result: Execution | None) -> dict[str, object]:
    content: dict[str, object] = {"question": args.question, "sql": answer.sql, "finished": answer.finished}
    if len(answer.candidates) > 1:
        content["candidates"] = list(answer.candidates)
    if result is not None:
        content |= {
            "error": result.error,
            "columns": list(result.columns),
            "rows": [[_plain(value) for value in row] for row in result.rows[: args.max_rows]],
            "num_rows": len(result.rows),
            "seconds": round(result.seconds, 3),
        }
    return content


def _plain(value: Value) -> int | float | str | None:
    return f"0x{value.hex()}" if isinstance(value, bytes) else value


def _print_rows(result: Execution, max_rows: int) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for column, values in zip(result.columns, zip(*result.rows, strict=True), strict=bool(result.rows)):
        numbers = all(isinstance(value, int | float | None) for value in values)
        table.add_column(Text(column), justify="right" if numbers else "left")
    for row in result.rows[:max_rows]:
        table.add_row(*(Text("NULL", style="dim") if value is None else Text(str(_plain(value))) for value in row))
    console = Console()
    if result.rows:
        console.print(table)
    more = len(result.rows) - max_rows
    count = f"{len(result.rows)} row{'' if len(result.rows) == 1 else 's'}"
    console.print(f"{count}, the first {max_rows} shown" if more > 0 else count, highlight=False)


main = Command("text2sql ask", __doc__, _add_flags, _ask)

if __name__ == "__main__":
    raise SystemExit(main())
