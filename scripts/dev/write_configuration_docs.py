"""Write docs/configuration.md from the parser of `text2sql`: the page says what the code does."""

import re
import sys
import types
from argparse import SUPPRESS, Action
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, Union, get_args, get_origin

from text2sql_lightning.commands.console import OneLineParser, run_command
from text2sql_lightning.errors import RunError
from text2sql_lightning.files.atomic import write_text

if TYPE_CHECKING:
    from lightning.pytorch.cli import LightningArgumentParser

PAGE: Final = Path("docs/configuration.md")

_SECTIONS: Final = {
    "run": "The run",
    "model": "model: base model, adapter, optimizer",
    "data": "data: records and batches",
    "execution_accuracy": "execution_accuracy: scoring by execution",
    "sample_generations": "sample_generations: answers to watch",
    "checkpoint": "checkpoint: last.ckpt and best.ckpt",
    "trainer": "trainer: Lightning's Trainer",
}
_OWN_WORDS: Final = {
    "seed_everything": "Seeds the order of the data, the adapter's first weights and everything else that is random.",
    "ckpt_path": "The checkpoint to go on from, or to score: `last` or `best` of the output folder, or a file.",
    "weights_only": "Ignored: a checkpoint is always loaded in the mode that cannot run code.",
    "return_predictions": "Ignored: predictions go to `predictions.jsonl`.",
    "trainer.precision": "Type of the numbers in matrix products. null: `bf16-mixed` on a GPU of compute capability 8 "
    "or more, `16-mixed` on an older one, `32-true` on a CPU.",
}
"""Help for options of Lightning that this project treats in its own way."""

_INTRODUCTION: Final = """\
# Configuration

Every option of `text2sql fit`, as its parser knows it. `make docs` writes this page from the code, and a test fails
when it is out of date: do not edit it by hand.

An option can stand on the command line or in a YAML file. These two do the same:

```
text2sql fit --config configs/experiment/tiny_test.yaml --model.lora.r 8
text2sql fit --config configs/experiment/tiny_test.yaml --config my.yaml
```

with this `my.yaml`:

```yaml
model:
  lora: {r: 8}
```

Later files and flags win over earlier ones. `--print_config` prints what they add up to and stops. A value that is
shown as `null` is one that was not given. `--trainer.callbacks+=NAME` adds to a list, `--trainer.callbacks=NAME`
replaces it.
"""


@dataclass(frozen=True)
class Option:
    """A row of the page.

    Attributes:
        name: The dotted name, `model.lora.r`.
        type: The values that it takes, in words.
        default: Its default, as YAML writes it.
        help: What it does.
    """

    name: str
    type: str
    default: str
    help: str

    @property
    def section(self) -> str:
        """The part of the configuration that the option belongs to."""
        first, dot, _ = self.name.partition(".")
        return first if dot else "run"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Arguments; those of the process when None.

    Returns:
        The exit code.
    """
    parser = OneLineParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=PAGE, help="file to write (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is out of date")
    args = parser.parse_args(argv)
    return run_command(lambda: _write(args.out, check=args.check))


def _write(path: Path, *, check: bool) -> None:
    page = configuration_page()
    if not check:
        write_text(path, page)
        print(f"wrote {path}")
    elif not path.is_file() or path.read_text(encoding="utf-8") != page:
        raise RunError(f"{path} is out of date: run `make docs` and commit it")


def configuration_page() -> str:
    """Return the whole page as Markdown."""
    parsers = command_parsers()
    options = list(read_options(parsers["fit"]))
    lines = [_INTRODUCTION]
    for section, title in _SECTIONS.items():
        lines += [f"## {title}", "", "| option | type | default | what it does |", "|---|---|---|---|"]
        lines += [_table_row(option) for option in options if option.section == section]
        lines.append("")
    lines += ["## Settings that follow another one", "", "They cannot be given; they are set for you.", ""]
    lines += [f"* `{target}` follows `{source}`" for source, target in read_links(parsers["fit"])]
    lines += ["", "## validate, test, predict", "", *_differences(parsers), ""]
    return "\n".join(lines)


def command_parsers() -> "dict[str, LightningArgumentParser]":
    """Return the parsers of `text2sql`, by command, without parsing or instantiating anything."""
    from text2sql_lightning.commands.cli import Text2SQLCLI, run

    class ParsersBuiltError(Exception):
        pass

    class ParserCLI(Text2SQLCLI):
        def parse_arguments(self, parser: "LightningArgumentParser", args: Any) -> NoReturn:
            raise ParsersBuiltError(self._subcommand_parsers)

    try:
        run([], ParserCLI)
    except ParsersBuiltError as built:
        parsers: dict[str, LightningArgumentParser] = built.args[0]
        return parsers
    raise AssertionError("LightningCLI did not parse its arguments")


def read_options(parser: "LightningArgumentParser") -> Iterator[Option]:
    """Go through the options that a user can give, in the order of the parser."""
    for action in parser._actions:
        hint = getattr(action, "_typehint", None)
        if hint is None or action.default == SUPPRESS or not action.option_strings:
            continue
        settings = [part for part in get_args(hint) if is_dataclass(part)]
        if settings:
            yield from _settings_options(action, settings[0])
        else:
            yield Option(action.dest, type_name(hint), default_text(action.default), _help_text(action))


def _settings_options(action: Action, settings: Any) -> Iterator[Option]:
    """Open a dataclass that may also be null, which the parser shows as one option."""
    from docstring_parser import parse

    help_of = {param.arg_name: param.description or "" for param in parse(settings.__doc__ or "").params}
    yield Option(action.dest, "settings below or null", "the defaults below", _help_text(action))
    for field in fields(settings):
        help_text = " ".join(help_of[field.name].split())
        yield Option(f"{action.dest}.{field.name}", type_name(field.type), default_text(_default_of(field)), help_text)


def _default_of(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def read_links(parser: "LightningArgumentParser") -> list[tuple[str, str]]:
    """Return source and target of each setting that follows another one."""
    links = [a.option_strings[0] for a in parser._actions if type(a).__name__ == "ActionLink"]
    pairs = (link.split(" --> ") for link in links)
    # A source may be wrapped in the function that computes the target: `int(seed_everything)`.
    return [(source.rpartition("(")[2].rstrip(")"), target) for source, target in pairs]


def type_name(hint: Any) -> str:
    """Write a type in words: "`nf4` or `none`", "int or null", "list of str"."""
    return " or ".join(dict.fromkeys(_type_words(hint)))


def _type_words(hint: Any) -> list[str]:
    origin, parts = get_origin(hint), get_args(hint)
    if hint is types.NoneType:
        return ["null"]
    if origin is Literal:
        return [f"`{value}`" for value in parts]
    if origin in (Union, types.UnionType):
        return [word for part in parts for word in _type_words(part)]
    if origin is dict:
        return ["mapping"]
    if origin is not None:  # list and Iterable
        return [f"list of {type_name(parts[0])}"]
    return [str(hint.__name__)]


def default_text(value: Any) -> str:
    """Write a default as YAML would."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(default_text(item) for item in value)
    if hasattr(value, "class_path"):
        return str(value.class_path).rpartition(".")[2]
    return str(value)


def _help_text(action: Action) -> str:
    """Return the help; of Lightning's long ones the first sentence, the rest is in Lightning's documentation."""
    if action.dest in _OWN_WORDS:
        return _OWN_WORDS[action.dest]
    text = re.sub(r":\w+:(?=`)", "", " ".join((action.help or "").split()).replace("``", "`"))
    if not action.dest.startswith("trainer."):
        return text
    end = text.find(". ")
    return text if end < 0 else text[: end + 1]


def _table_row(option: Option) -> str:
    default = f"`{option.default}`" if option.default else ""
    cells = (f"`--{option.name}`", option.type, default, option.help)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _differences(parsers: "dict[str, LightningArgumentParser]") -> list[str]:
    fit = {option.name for option in read_options(parsers["fit"])}
    lines = ["They take the same options, so one configuration serves all four commands. The differences:", ""]
    for command in ("validate", "test", "predict"):
        options = {option.name: option for option in read_options(parsers[command])}
        more = [f"`--{name}` ({options[name].help.rstrip('.')})" for name in options if name not in fit]
        less = [f"`--{name}`" for name in sorted(fit - set(options))]
        words = ([f"also takes {', '.join(more)}"] if more else []) + ([f"has no {', '.join(less)}"] if less else [])
        lines.append(f"* `{command}` {' and '.join(words) or 'has the same options'}.")
    return lines


if __name__ == "__main__":
    sys.exit(main())
