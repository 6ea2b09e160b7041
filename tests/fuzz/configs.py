"""Configuration files that nobody should write: real ones with values, keys, types and characters changed."""

import random
from collections.abc import Sequence
from typing import Any, Final

import yaml
from fuzz.mutation import mutate

MAX_BYTES: Final = 8_000
VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    3,
    10**9,
    -(10**30),
    0.0,
    0.5,
    -1.5,
    1e-300,
    1e300,
    float("inf"),
    float("nan"),
    "",
    " ",
    "x",
    "null",
    "1",
    "-1",
    "1e3",
    "auto",
    "cpu",
    "gpu",
    "ddp",
    "fsdp",
    "deepspeed",
    "bf16-mixed",
    "16-true",
    "nf4",
    "unsloth",
    "last",
    "none.yaml",
    "/",
    "a\x00b",
    "a\nb",
    "é\U0001f600",
    "x" * 3000,
    "${x}",
    "%(x)s",
    "lightning.pytorch.callbacks.EarlyStopping",
    [],
    [1],
    ["a", None],
    [[]],
    {},
    {"a": 1},
    {1: 2},
    {None: None},
    {"class_path": "os.system"},
    {"class_path": 3},
    {"class_path": "lightning.pytorch.loggers.CSVLogger"},
    {"class_path": "nowhere.Nothing", "init_args": {"a": 1}},
    {"class_path": "lightning.pytorch.callbacks.EarlyStopping", "init_args": None},
    {"init_args": {}},
    {"r": 4},
    {"r": "4"},
    {"__path__": "x"},
    {"": 1},
    {"a.b": 1},
    {"a": {"a": {"a": {"a": []}}}},
)
KEYS: Final[tuple[Any, ...]] = (
    "nonsense",
    "",
    "a.b",
    1,
    None,
    True,
    "class_path",
    "init_args",
    "__path__",
    "config",
    "help",
    "subcommand",
    "fit",
    "seed",
    "model",
    "lora",
    "r",
    "trainer",
    "logger",
    "callbacks",
    "callbacks+",
    "data",
    "ckpt_path",
    "output_dir",
    "print_config",
    "checkpoint",
    "optimizer",
    "lr_scheduler",
    "-",
    "x" * 300,
    "é",
)
PIECES: Final = (
    "&a ",
    "*a",
    "&a [*a]",
    "<<: *a",
    "!!python/object:os.system x",
    "!!binary x",
    "!x ",
    "---\n",
    "...\n",
    "? ",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "|\n",
    ">\n",
    "'",
    '"',
    "%YAML 1.1\n",
    "\t",
    "#",
    "2001-01-01",
    "0x1f",
    "0o7",
    "1:30",
    ".inf",
    "=",
    "~",
    "[" * 500,
    "{" * 500,
    "!!set {a, b}",
    "!!timestamp x",
    "!!int x",
    "!!float x",
    "!!bool x",
    "!!omap [a: 1]",
    "1_000",
    "2001-99-99",
)


def config_file(corpus: Sequence[str], draw: random.Random) -> bytes:
    """Make one file: mostly valid YAML with a few wrong values, now and then damaged text."""
    kind = draw.random()
    if kind < 0.2:
        seeds = [text.encode() for text in corpus]
        return mutate(draw.choice(seeds), seeds, draw)[:MAX_BYTES]
    if kind < 0.35:
        return _with_pieces(draw.choice(corpus), draw).encode()[:MAX_BYTES]
    content = yaml.safe_load(draw.choice(corpus))
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        _change(content, draw)
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False).encode()


def _with_pieces(text: str, draw: random.Random) -> str:
    for _ in range(draw.randint(1, 3)):
        at = draw.randint(0, len(text))
        text = text[:at] + draw.choice(PIECES) + text[at:]
    return text


def _change(content: Any, draw: random.Random) -> None:
    """Change, remove or add a value somewhere."""
    folders = [content]
    while folders[-1] and draw.random() < 0.75:
        inner = [value for value in _values(folders[-1]) if isinstance(value, (dict, list)) and value]
        if not inner:
            break
        folders.append(draw.choice(inner))
    place = folders[-1]
    keys = list(place) if isinstance(place, dict) else list(range(len(place)))
    action = draw.random()
    if action < 0.7 and keys:
        place[draw.choice(keys)] = draw.choice(VALUES)
    elif action < 0.8 and keys:
        del place[draw.choice(keys)]
    elif isinstance(place, dict):
        place[draw.choice(KEYS)] = draw.choice(VALUES)
    else:
        place.append(draw.choice(VALUES))


def _values(place: Any) -> list[Any]:
    return list(place.values() if isinstance(place, dict) else place)
