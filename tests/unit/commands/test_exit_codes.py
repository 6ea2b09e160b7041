import errno
import os

import pytest

from text2sql_lightning.commands.console import OneLineParser, run_command
from text2sql_lightning.errors import ConfigError

pytestmark = pytest.mark.unit


def raising(error: BaseException) -> int:
    def main() -> int:
        raise error

    return run_command(main)


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (3, 3)])
def test_a_command_that_ends_by_itself(returned: int | None, code: int) -> None:
    assert run_command(lambda: returned) == code


def test_a_mistake_of_the_user_s_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(ConfigError("--seed x:\n give a number")) == 2
    assert capsys.readouterr() == ("", "error: --seed x: give a number\n")


def test_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (errno.ENOSPC, "error: out/train.jsonl: no space left on the disk; free some or write elsewhere\n"),
        (errno.EACCES, "error: out/train.jsonl: no permission; change it or choose another place\n"),
        (errno.EROFS, "error: out/train.jsonl: the disk is read-only; choose another place\n"),
        (errno.ENOTDIR, "error: out/train.jsonl: a part of this path is a file, not a folder\n"),
    ],
)
def test_a_file_that_cannot_be_written(capsys: pytest.CaptureFixture[str], number: int, line: str) -> None:
    assert raising(OSError(number, os.strerror(number), "out/train.jsonl")) == 2
    assert capsys.readouterr().err == line


@pytest.mark.parametrize("error", [ValueError("bug"), OSError("no number"), OSError(errno.EIO, "broken disk")])
def test_anything_else_is_a_bug(error: Exception) -> None:
    with pytest.raises(type(error)):
        raising(error)


def test_a_wrong_flag_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    parser = OneLineParser(prog="build")
    parser.add_argument("--seed", type=int)
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["--seed", "x"])
    assert caught.value.code == 2
    assert capsys.readouterr().err == "error: argument --seed: invalid int value: 'x' (see build --help)\n"
