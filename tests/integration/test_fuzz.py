"""Inputs that nobody should write: a result or a project error, never another exception, never more than a second."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fuzz.configs import config_file
from fuzz.mutation import inputs
from fuzz.targets import TARGETS, check, corpora, within_a_second
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from text2sql_lightning.commands.cli import RehearsalCLI, run
from text2sql_lightning.commands.config_checks import wants_unsloth
from text2sql_lightning.commands.console import run_command

pytestmark = [pytest.mark.integration, pytest.mark.timeout(3600)]

ROOT = Path(__file__).parents[2]
SMALL, FULL = 5_000, 200_000
TENTH = 10
"""One input in ten is Hypothesis's, the others are damaged good ones."""
REPEATS = 12_000
REST = b'"instruction": "", "input": "### Schema:\\n\\n\\n### Question:\\n", "output": "x"'


@pytest.mark.parametrize("name", list(TARGETS))
@pytest.mark.parametrize("count", [SMALL, pytest.param(FULL, marks=pytest.mark.slow)])
def test_damaged_inputs(name: str, count: int, tmp_path: Path) -> None:
    count = min(count, SMALL) if name == "gzipped_jsonl" else count  # few of these get past gzip's checksum
    for number, data in enumerate(inputs(corpora()[name], count - count // TENTH, seed=0)):
        try:
            check(TARGETS[name], data, tmp_path)
        except Exception as error:
            kept = tmp_path / "input"
            kept.write_bytes(data)
            raise AssertionError(f"input {number} ({kept}): {data[:300]!r}") from error


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["id", "instruction", "input", "output", "source", "meta", "question", "context", "answer", "other"]
)
LINES = st.one_of(
    st.binary(max_size=60),
    JSON.map(json.dumps).map(str.encode),
    st.dictionaries(FIELDS, JSON | st.just("### Schema:\na\n\n### Question:\nb"), max_size=10)
    .map(lambda entry: json.dumps(entry, ensure_ascii=False))
    .map(lambda line: line.encode("utf-8", "surrogatepass")),
)
NAMES = st.sampled_from(["a", "t", "order", "`b c`", '"d""e"', "[f]", "'g'", "2h", "é", "\x00", "$", ""])
TYPES = st.sampled_from(
    ["", "INT", "decimal(1,2)", "TEXT DEFAULT 'a,b'", "x y z", "CHECK (a > (1))", "COMMENT 'x'", "("]
)
CONSTRAINTS = st.sampled_from(
    [
        "PRIMARY KEY (a, t)",
        "FOREIGN KEY (a) REFERENCES t (a)",
        "FOREIGN KEY",
        "UNIQUE (a",
        "CONSTRAINT",
        "KEY a (a)",
        ",",
    ]
)
COLUMNS = st.builds("{} {}{}".format, NAMES, TYPES, st.sampled_from(["", " PRIMARY KEY", " REFERENCES", " -- c\n"]))
TABLES = st.builds(
    "{}{} ({}{}".format,
    st.sampled_from(
        ["CREATE TABLE ", "create temp table if not exists ", "CREATE TABLE a.", "CREATE ", "INSERT INTO "]
    ),
    NAMES,
    st.lists(COLUMNS | CONSTRAINTS, max_size=6).map(",".join),
    st.sampled_from([")", ");", ") | ", "", ")) /*", ") WITHOUT ROWID;"]),
)
TOKENS = """SELECT select FROM AS UNION The a t 1 é ' '' " ` ``` ```sql ### ; ( ) , . : -- /* */"""
WORDS = st.sampled_from(TOKENS.split()) | st.sampled_from(["with x as (", "\n", "\n\n", "\x00"])
GRAMMARS = {
    "jsonl": st.lists(LINES, max_size=4).map(b"\n".join),
    "clean_sql": (st.lists(WORDS, max_size=20).map(" ".join) | st.text(max_size=60)).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    ),
    "parse_ddl": st.lists(TABLES, max_size=4).map("".join).map(str.encode),
}


@pytest.mark.parametrize("name", list(GRAMMARS))
@pytest.mark.parametrize("count", [SMALL, pytest.param(FULL, marks=pytest.mark.slow)])
def test_inputs_of_a_grammar(name: str, count: int, tmp_path: Path) -> None:
    @settings(max_examples=count // TENTH, deadline=None, suppress_health_check=list(HealthCheck))
    @given(GRAMMARS[name])
    def try_all(data: bytes) -> None:
        check(TARGETS[name], data, tmp_path)

    try_all()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("jsonl", b'{"' + b"k" * 5_000 + b'": 1}'),  # a message of 5,000 characters
        ("jsonl", b'{"a\\ud800": 1}'),  # a message that is no UTF-8: run_meta.json could not be written
        ("jsonl", (b'{"id": "' + b"x" * 5_000 + b'", ' + REST + b"}\n") * 2),
        ("jsonl", b'{"id": "a", "meta": {"a": 1e999}, ' + REST + b"}"),
        ("jsonl", b'{"id": "a", "meta": {"\\ud800": 1}, ' + REST + b"}"),
        ("parse_ddl", b"CREATE TABLE IF NOT "),
        ("parse_ddl", b"CREATE TABLE EXISTS"),
        # From here on: time that grew with the square of the length.
        ("parse_ddl", b"CREATE TABLE t (CONSTRAINT c " + b"PRIMARY KEY " * REPEATS),
        ("parse_ddl", b"CREATE TABLE t (CONSTRAINT c " + b"FOREIGN KEY " * REPEATS),
        ("parse_ddl", b"".join(b"CREATE TABLE t (a%d REFERENCES u (b%d)); " % (i, i) for i in range(REPEATS // 6))),
    ],
)
def test_inputs_that_once_went_wrong(name: str, data: bytes, tmp_path: Path) -> None:
    check(TARGETS[name], data, tmp_path)


@pytest.mark.parametrize("count", [100, pytest.param(2_000, marks=pytest.mark.slow)])
def test_config_files(command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.chdir(tmp_path)
    for number, content in enumerate(configs(command, count)):
        Path("run.yaml").write_bytes(content)
        outcome = within_a_second(lambda: command(rehearse, "fit", "--config", "run.yaml"))
        if outcome.code:
            assert len(outcome.error) < 1_200, (number, content)
        assert [path.name for path in tmp_path.iterdir()] == ["run.yaml"], (number, content)


def configs(command: Any, count: int) -> Iterator[bytes]:
    short = (ROOT / "configs" / "experiment" / "tiny_test.yaml").read_text()
    printed = command(rehearse, "fit", "--config", ROOT / "configs" / "experiment" / "tiny_test.yaml", "--print_config")
    assert printed.code == 0
    return (config_file([short, printed.out], random.Random(f"config {number}")) for number in range(count))


def rehearse(arguments: list[str]) -> int:
    """What `text2sql` does, but nothing is loaded, run or written."""

    def go() -> None:
        wants_unsloth(arguments)
        run(arguments, RehearsalCLI)

    return run_command(go)
