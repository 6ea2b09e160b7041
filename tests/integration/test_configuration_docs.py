"""docs/configuration.md against the parser that it describes."""

from pathlib import Path

import pytest

from dev.write_configuration_docs import command_parsers, configuration_page, main, read_options

pytestmark = pytest.mark.integration

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_committed_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == configuration_page(), "run `make docs` and commit docs/configuration.md"


def test_settings_of_this_project_are_all_explained() -> None:
    options = {option.name: option for option in read_options(command_parsers()["fit"])}
    assert {"model.base_model", "model.lora.target_modules", "data.train_path", "output_dir"} <= set(options)
    unexplained = [name for name, option in options.items() if not option.help]
    assert unexplained == []


def test_check_fails_on_an_old_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = tmp_path / "configuration.md"
    old.write_text("# Configuration\n", encoding="utf-8")
    assert main(["--check", "--out", str(old)]) == 2
    assert "is out of date: run `make docs`" in capsys.readouterr().err
    assert main(["--check", "--out", str(PAGE)]) == 0
