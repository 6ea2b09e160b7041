"""`text2sql` and its help pages: complete, true, and quick because nothing heavy is imported for them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from text2sql_lightning.__main__ import COMMANDS, main

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
HEAVY = {"torch", "lightning", "transformers", "datasets", "matplotlib", "wandb", "peft"}


def test_every_command_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--help"], ["help"]):
        assert main(arguments) == 0
        assert [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("  ")] == [
            *COMMANDS
        ]


def test_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evalute"]) == 2
    assert capsys.readouterr() == (
        "",
        "error: there is no command 'evalute', the nearest is 'evaluate' (see text2sql --help)\n",
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str) -> None:
    """Less than a second of processor time, by both ways to a command."""
    code = (
        "import sys, time; from text2sql_lightning.__main__ import main\n"
        f"try: main([{command!r}, '--help'])\nexcept SystemExit: pass\n"
        f"print('seconds', time.process_time()); print('heavy', *({HEAVY} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    *page, seconds, heavy = done.stdout.splitlines()
    assert page[0].startswith(f"usage: text2sql {command} ")
    assert heavy == "heavy"
    assert float(seconds.split()[1]) < 1
    module = [sys.executable, "-m", f"text2sql_lightning.commands.{COMMANDS[command][0]}", "--help"]
    assert subprocess.run(module, capture_output=True, text=True, check=True, cwd=ROOT).stdout.startswith("usage: ")


def test_options_of_fit_are_those_of_its_parser(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/configuration.md is written from the parser, and another test holds it against that."""
    main(["fit", "--help"])
    page = capsys.readouterr().out
    shown = dict(re.findall(r"^  --(\S+) (.*)$", page, re.MULTILINE))
    table = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| `--")]
    expected = {row[0].strip("`-"): row[2].strip("`") for row in rows}
    assert set(shown) - {"config", "print_config"} == set(expected) - {"weights_only"}
    other = {name for name, default in expected.items() if shown.get(name) != default}
    assert other == {"weights_only", "model.lora", "model.lora.target_modules", "trainer.logger"}
