"""Files and folders that appear whole or not at all."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.atomic import replaced_folder, write_json, write_json_lines, write_text

pytestmark = pytest.mark.unit


def test_text_is_written_as_utf8_with_plain_newlines(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "file.txt", "Zoë\n")
    assert (tmp_path / "new" / "file.txt").read_bytes() == b"Zo\xc3\xab\n"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file.txt"]


def test_json(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"name": "Zoë", "n": 1})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "name": "Zoë",\n  "n": 1\n}\n'
    write_json_lines(tmp_path / "a.jsonl", [{"a": "line\nbreak"}, {"b": None}])
    lines = (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [{"a": "line\nbreak"}, {"b": None}]
    write_json_lines(tmp_path / "a.jsonl", [])
    assert (tmp_path / "a.jsonl").read_text(encoding="utf-8") == ""


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def full(descriptor: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_what_is_no_json_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    assert (tmp_path / "a.json").read_text() == "1\n"


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    for content in ("one", "two"):
        with replaced_folder(tmp_path / "adapters") as folder:
            assert list(folder.iterdir()) == []
            (folder / f"{content}.txt").write_text(content)
    assert [path.name for path in (tmp_path / "adapters").iterdir()] == ["two.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["adapters"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_error_while_filling_keeps_the_old_folder(tmp_path: Path, error: Any) -> None:
    with replaced_folder(tmp_path / "adapters") as folder:
        (folder / "old.txt").write_text("old")
    with pytest.raises(error), replaced_folder(tmp_path / "adapters"):
        raise error
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["adapters", "adapters/old.txt"]


def test_an_error_between_the_two_moves_brings_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "adapters"
    with replaced_folder(target) as folder:
        (folder / "old.txt").write_text("old")
    rename = type(target).rename

    def interrupted(self: Any, to: Any) -> Any:
        if self.name.endswith(".tmp"):
            raise KeyboardInterrupt
        return rename(self, to)

    with monkeypatch.context() as patch:
        patch.setattr(type(target), "rename", interrupted)
        with pytest.raises(KeyboardInterrupt), replaced_folder(target) as folder:
            (folder / "new.txt").write_text("new")
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["adapters", "adapters/old.txt"]
