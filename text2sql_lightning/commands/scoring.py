"""What `text2sql evaluate` and `spider` share: their flags, answers from a model or a file, the report."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from text2sql_lightning.commands.config_checks import prepare_libraries
from text2sql_lightning.commands.console import quiet_libraries
from text2sql_lightning.constants import DEFAULT_BASE_MODEL
from text2sql_lightning.data.records import read_records
from text2sql_lightning.errors import ConfigError, DataError
from text2sql_lightning.evaluation.pages import Evaluation, error_text, write_evaluation
from text2sql_lightning.files.jsonl import JsonObject, read_objects, text_field
from text2sql_lightning.files.pages import show
from text2sql_lightning.inference.artifacts import merge_adapter_settings
from text2sql_lightning.inference.baselines import Question, Shot, ask_with, choose_shots
from text2sql_lightning.modeling.settings import Backend, GenerationSettings, LoraSettings, Quantization
from text2sql_lightning.runs.run_meta import package_versions

if TYPE_CHECKING:
    from text2sql_lightning.inference.generation import Generation
    from text2sql_lightning.inference.generator import Engine

_Key = TypeVar("_Key", int, str)


def add_flags(parser: ArgumentParser, stem: str) -> None:
    """Add the flags of an evaluation that writes `stem.json` and its companions, and of the model that answers."""
    add = parser.add_argument
    add("--max_examples", type=int, metavar="N", help="score a seeded sample with the same shares of hardness")
    add("--timeout_s", type=float, default=5.0, help="seconds that a query may take on one database")
    add("--workers", type=int, default=1, help="processes that execute; the verdicts do not depend on it")
    add("--out_dir", type=Path, default=Path("reports"), help=f"folder for {stem}.json, .jsonl, .md, .html, pictures")
    add("--seed", type=int, default=0, help="decides the sample, the databases that are made and the intervals")
    add = parser.add_argument_group("answers from a model, instead of --predictions").add_argument
    add("--base_model", metavar="DIR|NAME", help="the base model")
    add("--adapter_dir", type=Path, metavar="DIR", help="adapters/ of a run, on top of its base model")
    add("--backend", choices=get_args(Backend), default="auto", help="how the model is loaded")
    text = "what generates: this project, or vLLM on a GPU, without --backend and --batch_size"
    add("--engine", choices=("builtin", "vllm"), default="builtin", help=text)
    add("--quantization", choices=get_args(Quantization), default="nf4", help="how the base weights are kept")
    text = "ask with this project's prompt, or with the model's own chat template (a fair baseline)"
    add("--prompt", choices=("project", "chat"), default="project", help=text)
    add("--few_shot", type=int, default=0, metavar="K", help="show K examples of --train_file before each question")
    add("--train_file", type=Path, metavar="FILE", help="records to take them from; never the evaluated ones")
    add("--max_new_tokens", type=int, default=256, help="an answer longer than this is cut")
    add("--batch_size", type=int, default=16, help="questions answered at the same time")


def check_flags(args: Namespace) -> None:
    """Check that there is one source of answers, and refuse numbers that make no sense.

    Raises:
        ConfigError: Names the flags, and what is allowed.
    """
    from_model = args.base_model is not None or args.adapter_dir is not None
    if from_model and args.predictions is not None:
        raise ConfigError(
            "--predictions and --base_model or --adapter_dir: the answers come from one of them; drop one"
        )
    if not from_model and args.predictions is None:
        raise ConfigError("no answers to score: give --predictions FILE, or --base_model or --adapter_dir")
    if args.few_shot and args.train_file is None:
        raise ConfigError(f"--few_shot {args.few_shot} needs --train_file, the records to take the examples from")
    if args.few_shot < 0 or args.max_new_tokens < 1 or args.batch_size < 1:
        raise ConfigError("--few_shot must be at least 0, --max_new_tokens and --batch_size at least 1")
    if args.max_examples is not None and args.max_examples < 1:
        raise ConfigError(f"--max_examples is {args.max_examples}; it must be at least 1, or left out for all")
    if args.workers < 1 or not args.timeout_s > 0:
        raise ConfigError("--workers must be at least 1 and --timeout_s above 0")


def source_name(args: Namespace) -> str:
    """Name what answered, for a title."""
    if args.predictions is not None:
        return str(args.predictions.name)
    kind = f"{args.prompt} prompt" + (f", {args.few_shot} shots" if args.few_shot else "")
    return f"{args.adapter_dir or args.base_model} ({kind})"


def answer(args: Namespace, questions: Sequence[Question]) -> "tuple[list[Generation], dict[str, str]]":
    """Load the model and answer questions, as `text2sql predict` does.

    Returns:
        One answer a question, and what is to be recorded of how they came about.
    """
    prepare_libraries(["--model.backend", args.backend if args.engine == "builtin" else "transformers"])
    from text2sql_lightning.inference.generator import Generator

    quiet_libraries()
    shots = _read_shots(args, questions)
    model = _model_settings(args)
    engine = _load(args, model)
    engine.tokenizer, prompts, template = ask_with(args.prompt, engine.tokenizer, questions, shots)
    settings = GenerationSettings(max_new_tokens=args.max_new_tokens, batch_size=args.batch_size, seed=args.seed)
    _check_lengths(engine, prompts, settings)
    answers = Generator(engine, settings).generate(prompts, progress=True)
    return answers, {
        "base_model": str(model["base_model"]),
        "adapter": str(args.adapter_dir or "none"),
        "quantization": str(model["quantization"]),
        "prompt": args.prompt + (f" (template SHA-256 {template[:16]})" if template else ""),
        "few_shot": f"{len(shots)} examples of {args.train_file}, seed {args.seed}" if shots else "0",
        "generation": f"{args.engine}, greedy, at most {args.max_new_tokens} tokens, cut and cleaned to one statement",
    }


def _model_settings(args: Namespace) -> dict[str, Any]:
    """Return the settings of the model, merged with those of the adapter, with which a flag must not disagree."""
    given = {"base_model": args.base_model} if args.base_model else {}
    settings: dict[str, Any] = {"base_model": DEFAULT_BASE_MODEL, "quantization": args.quantization, **given}
    if args.adapter_dir is not None:
        settings["lora"] = asdict(LoraSettings())
        merge_adapter_settings(settings, given, args.adapter_dir)
    return settings


def _read_shots(args: Namespace, questions: Sequence[Question]) -> list[Shot]:
    """Draw the examples that are shown before each question, none of which is asked."""
    if not args.few_shot:
        return []
    records = getattr(args, "records", None)
    if records is not None and records.resolve() == args.train_file.resolve():
        raise ConfigError(f"--train_file {args.train_file} is the evaluated file; give the train split")
    candidates = [
        Shot(Question(record.context, record.question), record.output or "") for record in read_records(args.train_file)
    ]
    return choose_shots(candidates, args.few_shot, avoid=questions, seed=args.seed)


def _load(args: Namespace, model: Mapping[str, Any]) -> "Engine":
    from text2sql_lightning.inference.generator import BuiltinEngine, standalone_request
    from text2sql_lightning.inference.vllm import VllmEngine

    name, quantization = str(model["base_model"]), model["quantization"]
    if args.engine == "vllm":
        return VllmEngine.load(name, args.adapter_dir, quantization)
    lora = LoraSettings(**model["lora"]) if "lora" in model else None
    request = standalone_request(name, args.adapter_dir, quantization=quantization, lora=lora)
    return BuiltinEngine.load(request, args.backend)


def _check_lengths(engine: "Engine", prompts: Sequence[str], settings: GenerationSettings) -> None:
    """Refuse prompts for which the model has no positions: what it writes then is noise, not an answer."""
    from text2sql_lightning.text.tokenizer import encode_texts

    longest, limit = max(len(ids) for ids in encode_texts(engine.tokenizer, prompts)), engine.max_positions
    if limit is not None and longest + settings.max_new_tokens > limit:
        raise DataError(
            f"the longest prompt has {longest} tokens, {settings.max_new_tokens} may follow (--max_new_tokens), and "
            f"the model reads {limit}: use fewer --few_shot examples or no --sample_values, or another model"
        )


def read_predictions(path: Path, field: str, key_of: Callable[[JsonObject, str], _Key]) -> dict[_Key, str]:
    """Read predicted SQL from JSON lines, where it is `sql`, or `predicted` as in what the commands write.

    Args:
        path: The file.
        field: Name of the field that tells what a line answers, for messages.
        key_of: Reads it off a line; file and line are for messages.

    Returns:
        Key -> predicted SQL.

    Raises:
        DataError: The file is missing, not UTF-8 or not JSON lines, or a key is there twice; names file and line.
    """
    found: dict[_Key, str] = {}
    for line, entry in read_objects(path):
        place = f"{path}, line {line}"
        key = key_of(entry, place)
        if key in found:
            raise DataError(f"{place}: {field} {key!r} is there twice; one prediction for each")
        found[key] = text_field(entry, "predicted" if "predicted" in entry and "sql" not in entry else "sql", place)
    return found


def write_report(args: Namespace, stem: str, evaluation: Evaluation, rows: Iterable[Mapping[str, object]]) -> None:
    """Write an evaluation as JSON, JSON lines (`rows`, a line for each example) and pages, and print its figures."""
    facts = {"rules": evaluation.rules, "run": evaluation.facts, "versions": package_versions()}
    write_evaluation(args.out_dir, stem, evaluation, {**evaluation.figures, **facts}, [*rows])
    _print_figures(evaluation, args.out_dir / f"{stem}.html")


def _print_figures(evaluation: Evaluation, report: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    figures = evaluation.figures
    labels = {measure.figure: measure.label for measure in evaluation.measures}
    table = Table(title=f"{evaluation.title}, n = {figures['n']}", title_justify="left")
    for head in ("", "share", "95 % interval", "n"):
        table.add_column(head, justify="left" if not head else "right")
    for figure, label in labels.items():
        if figures[figure] is not None:
            table.add_row(label, show(figures[figure]), show(figures["intervals_95"][figure]), str(figures["n"]))
    table.add_section()
    for name, part in figures["by_hardness"].items():
        share, interval = show(part[figures["headline"]]), show(part["interval_95"])
        table.add_row(f"{name}, {labels[figures['headline']].lower()}", share, interval, str(part["n"]))
    console = Console()
    console.print(table)
    errors = ", ".join(f"{error_text(name)} {count}" for name, count in figures["errors"].items())
    console.print(f"errors: {errors or 'none'}", highlight=False, soft_wrap=True)
    console.print(f"report: {report}", highlight=False, soft_wrap=True)
