"""The options of `text2sql fit`: what differs from Lightning, and their help page.

LightningCLI's own page takes six seconds of imports. This one is read off the source of the classes that the options
configure, without importing them; a test compares it with the parser.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from importlib.util import find_spec
from pathlib import Path
from textwrap import fill
from typing import Final

import yaml

from text2sql_lightning import constants
from text2sql_lightning.constants import LOGS_DIR
from text2sql_lightning.modeling import settings

TRAINER_DEFAULTS: Final[dict[str, object]] = {
    "max_steps": 500,
    "max_epochs": -1,
    "accumulate_grad_batches": 8,
    "log_every_n_steps": 10,
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,  # the data module's batch sampler shards, without padding duplicates
    "devices": 1,
    "enable_model_summary": False,  # the module says in one line what is trained
    "logger": {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": ".", "name": LOGS_DIR}},
}

LINKS: Final = (
    ("output_dir", "checkpoint.dirpath"),
    ("output_dir", "execution_accuracy.output_dir"),
    ("output_dir", "sample_generations.output_dir"),
    ("output_dir", "trainer.default_root_dir"),
    ("model.base_model", "data.tokenizer"),
    ("data.max_seq_length", "model.max_seq_length"),
    ("data.packing", "model.packing"),
    ("seed_everything", "model.seed"),
    ("seed_everything", "data.seed"),
)
"""Source and target of the options that follow another one."""

_CLASSES: Final = {
    "model": ("text2sql_lightning", "module.py", "Text2SQLModule"),
    "data": ("text2sql_lightning", "data/datamodule.py", "Text2SQLDataModule"),
    "execution_accuracy": ("text2sql_lightning", "callbacks/execution_accuracy.py", "ExecutionAccuracy"),
    "sample_generations": ("text2sql_lightning", "callbacks/generations.py", "SampleGenerations"),
    "checkpoint": ("text2sql_lightning", "callbacks/run_checkpoint.py", "RunCheckpoint"),
    "trainer": ("lightning", "pytorch/trainer/trainer.py", "Trainer"),
}
"""Package, file and class behind each group of options."""

_HEAD: Final = """\
usage: text2sql {command} [--config FILE] [--OPTION VALUE] ...

Options, in a YAML file or on the command line; later ones win. Each is shown with its default:
  --config FILE
      may be repeated; a path, or the name of a file in configs/: experiment/tiny_test.yaml
  --print_config
      print what files and options add up to, and stop
  --seed_everything 42
      seeds the order of the data, the adapter's first weights and everything else that is random
  --output_dir outputs/run
      folder of all that the run writes
  --overwrite false
      delete a run that is already there
  --ckpt_path null
      the checkpoint to go on from, or to score: last or best of the output folder, or a file
"""


@dataclass(frozen=True)
class Option:
    """An option: its dotted name, its default as YAML writes it, and what it does."""

    name: str
    default: str
    help: str


def options_page(command: str) -> str:
    """Lay out the help page of `fit`, `validate`, `test` or `predict`: they take the same options."""
    parts = [_HEAD.format(command=command)]
    for group in _CLASSES:
        parts.append(f"\n{group}:\n")
        for option in group_options(group):
            parts.append(f"  --{option.name} {option.default}\n")
            parts.append(fill(option.help, 112, initial_indent=" " * 6, subsequent_indent=" " * 6) + "\n")
    parts.append("\n--trainer.logger.help CLASS and the like show the settings of a class of Lightning.\n")
    return "".join(parts)


def group_options(group: str) -> Iterator[Option]:
    """Yield the options of a group that a user can set, in the order of the constructor."""
    package, file, name = _CLASSES[group]
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None  # noqa: PT018
    tree = ast.parse((Path(spec.origin).parent / file).read_text(encoding="utf-8"))
    (node,) = (item for item in tree.body if isinstance(item, ast.ClassDef) and item.name == name)
    (init,) = (item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__")
    texts = _texts(ast.get_docstring(init) or ast.get_docstring(node) or "")
    linked = {target for _, target in LINKS}
    for argument, default in _arguments(init.args):
        option = f"{group}.{argument.arg}"
        if option in linked:
            continue
        text = texts.get(argument.arg, "")
        if group == "trainer":
            default, text = TRAINER_DEFAULTS.get(argument.arg, default), text.replace("``", "`").split(". ")[0]
        if not is_dataclass(default):
            yield Option(option, _as_yaml(default), text)
            continue
        if isinstance(argument.annotation, ast.BinOp):  # it may also be null
            yield Option(option, "", text)
        texts_of_fields = _texts(type(default).__doc__ or "")
        for field in fields(default):
            value = _as_yaml(getattr(default, field.name))
            yield Option(f"{option}.{field.name}", value, texts_of_fields[field.name])


def _texts(docstring: str) -> dict[str, str]:
    from docstring_parser import parse

    return {param.arg_name: " ".join((param.description or "").split()) for param in parse(docstring).params}


def _arguments(arguments: ast.arguments) -> Iterator[tuple[ast.arg, object]]:
    """Yield the arguments behind `self` with their defaults; None where there is none."""
    places = arguments.args[1:]
    defaults = [None] * (len(places) - len(arguments.defaults)) + [*arguments.defaults]
    for argument, node in zip([*places, *arguments.kwonlyargs], [*defaults, *arguments.kw_defaults], strict=True):
        yield argument, _value(node)


def _value(node: ast.expr | None) -> object:
    if isinstance(node, ast.Name):
        return getattr(constants, node.id)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return getattr(settings, node.func.id)()
    return None if node is None else ast.literal_eval(node)


def _as_yaml(value: object) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=1000)
    return text.removesuffix("\n").removesuffix("\n...")
