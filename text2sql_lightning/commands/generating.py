"""What the evaluation commands share where a model answers: its flags, and the answers."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from text2sql_lightning.commands.config_checks import prepare_libraries
from text2sql_lightning.commands.console import quiet_libraries
from text2sql_lightning.errors import ConfigError, DataError
from text2sql_lightning.modeling.settings import Backend, Quantization

if TYPE_CHECKING:
    from text2sql_lightning.inference.baselines import Question, Shot
    from text2sql_lightning.inference.generation import Generation
    from text2sql_lightning.inference.generator import Engine
    from text2sql_lightning.modeling.settings import GenerationSettings


def add_model_flags(parser: ArgumentParser) -> None:
    """Add the flags that say which model answers, and how it is asked."""
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


def check_source(args: Namespace) -> None:
    """Check that there is one source of answers.

    Raises:
        ConfigError: There is none, or there are two; or a number is too small.
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


def source_name(args: Namespace) -> str:
    """Name what answered, for a title."""
    if args.predictions is not None:
        return str(args.predictions.name)
    kind = f"{args.prompt} prompt" + (f", {args.few_shot} shots" if args.few_shot else "")
    return f"{args.adapter_dir or args.base_model} ({kind})"


def answer(args: Namespace, questions: "Sequence[Question]") -> "tuple[list[Generation], dict[str, str]]":
    """Load the model and answer questions, as `text2sql predict` does.

    Args:
        args: The flags of `add_model_flags`, and `seed`.
        questions: What is asked.

    Returns:
        One answer a question, and what is to be recorded of how they came about.
    """
    prepare_libraries(["--model.backend", args.backend if args.engine == "builtin" else "transformers"])
    from text2sql_lightning.inference.baselines import ask_with
    from text2sql_lightning.inference.generator import Generator
    from text2sql_lightning.modeling.settings import GenerationSettings

    quiet_libraries()
    shots = read_shots(args, questions)
    model = model_settings(args)
    engine = _load(args, model)
    engine.tokenizer, prompts, template = ask_with(args.prompt, engine.tokenizer, questions, shots)
    settings = GenerationSettings(max_new_tokens=args.max_new_tokens, batch_size=args.batch_size, seed=args.seed)
    _check_lengths(engine, prompts, settings)
    answers = Generator(engine, settings).generate(prompts, progress=True)
    return answers, _facts(args, model, template, len(shots))


def _facts(args: Namespace, model: dict[str, Any], template: str, shots: int) -> dict[str, str]:
    return {
        "base_model": str(model["base_model"]),
        "adapter": str(args.adapter_dir) if args.adapter_dir else "none",
        "quantization": str(model["quantization"]),
        "prompt": args.prompt + (f" (template SHA-256 {template[:16]})" if template else ""),
        "few_shot": f"{shots} examples of {args.train_file}, seed {args.seed}" if shots else "0",
        "generation": f"{args.engine}, greedy, at most {args.max_new_tokens} tokens, cut and cleaned to one statement",
    }


def model_settings(args: Namespace) -> dict[str, Any]:
    """Return the settings of the model, merged with those of the adapter.

    Raises:
        ConfigError: A flag disagrees with the adapter; names both values.
    """
    from text2sql_lightning.constants import DEFAULT_BASE_MODEL
    from text2sql_lightning.inference.artifacts import merge_adapter_settings
    from text2sql_lightning.modeling.settings import LoraSettings

    given = {"base_model": args.base_model} if args.base_model else {}
    settings: dict[str, Any] = {"base_model": DEFAULT_BASE_MODEL, "quantization": args.quantization, **given}
    if args.adapter_dir is not None:
        settings["lora"] = asdict(LoraSettings())
        merge_adapter_settings(settings, given, args.adapter_dir)
    return settings


def read_shots(args: Namespace, questions: "Sequence[Question]") -> "list[Shot]":
    """Draw the examples that are shown before each question.

    Raises:
        DataError: The train file holds evaluated questions only, or is not as it should be.
        ConfigError: The train file is the evaluated one.
    """
    if not args.few_shot:
        return []
    from text2sql_lightning.data.records import read_records
    from text2sql_lightning.inference.baselines import Question, Shot, choose_shots

    records = getattr(args, "records", None)
    if records is not None and records.resolve() == args.train_file.resolve():
        raise ConfigError(f"--train_file {args.train_file} is the evaluated file; give the train split")
    candidates = [
        Shot(Question(record.context, record.question), record.output or "") for record in read_records(args.train_file)
    ]
    return choose_shots(candidates, args.few_shot, avoid=questions, seed=args.seed)


def _load(args: Namespace, model: dict[str, Any]) -> "Engine":
    from text2sql_lightning.inference.generator import BuiltinEngine, standalone_request
    from text2sql_lightning.inference.vllm import VllmEngine
    from text2sql_lightning.modeling.settings import LoraSettings

    name, quantization = str(model["base_model"]), model["quantization"]
    if args.engine == "vllm":
        return VllmEngine.load(name, args.adapter_dir, quantization)
    lora = LoraSettings(**model["lora"]) if "lora" in model else None
    request = standalone_request(name, args.adapter_dir, quantization=quantization, lora=lora)
    return BuiltinEngine.load(request, args.backend)


def _check_lengths(engine: "Engine", prompts: Sequence[str], settings: "GenerationSettings") -> None:
    """Refuse prompts for which the model has no positions: what it writes then is noise, not an answer."""
    from text2sql_lightning.text.tokenizer import encode_texts

    longest, limit = max(len(ids) for ids in encode_texts(engine.tokenizer, prompts)), engine.max_positions
    if limit is not None and longest + settings.max_new_tokens > limit:
        raise DataError(
            f"the longest prompt has {longest} tokens, {settings.max_new_tokens} may follow (--max_new_tokens), and "
            f"the model reads {limit}: use fewer --few_shot examples or no --sample_values, or another model"
        )
