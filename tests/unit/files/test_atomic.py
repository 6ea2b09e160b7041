"""Files and folders that appear whole or not at all."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.errors import DataError
from text2sql_lightning.files.atomic import (
    append_text,
    disk_full,
    remove_leftovers,
    replaced_file,
    replaced_folder,
    system_error,
    write_bytes,
    write_json,
    write_json_lines,
    write_text,
)

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


@pytest.mark.parametrize(
    ("error", "number", "name"),
    [
        (OSError(28, "No space left on device"), 28, "run"),
        (OSError(28, "No space left on device", "elsewhere"), 28, "elsewhere"),
        (Exception("No space left on device (os error 28)"), 28, "run"),  # tokenizers
        (Exception('IoError(Os { code: 28, kind: StorageFull, message: "No space left on device" })'), 28, "run"),
        (RuntimeError("[Errno 122] Disk quota exceeded"), 122, "run"),
    ],
)
def test_what_the_system_refuses_gets_a_path(error: Exception, number: int, name: str) -> None:
    found = system_error(error, Path("run"))
    assert found is not None
    assert (found.errno, str(found.filename)) == (number, name)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no space left"),
        OSError("odd"),
        KeyboardInterrupt(),
        RuntimeError("worker: [Errno 2] No such file or directory: 'a'"),
        DataError("a.jsonl cannot be read: [Errno 28] No space left on device"),
    ],
)
def test_other_errors_are_none_of_the_system(error: BaseException) -> None:
    assert system_error(error, Path("run")) is None
    assert disk_full(error, Path("run")) is None


def test_the_first_of_two_errors_names_the_path() -> None:
    """Lightning ends its loggers after an error; those meet the full disk too, and know no path."""
    try:
        try:
            raise OSError(28, "No space left on device", "last.ckpt")
        except OSError:
            raise OSError(28, "No space left on device")  # noqa: B904
    except OSError as error:
        found = disk_full(error, Path("run"))
    assert found is not None
    assert found.filename == "last.ckpt"


def test_the_first_place_is_named_also_where_writing_that_down_fails_too(tmp_path: Path) -> None:
    full = OSError(28, "No space left on device")
    try:
        try:
            with replaced_file(tmp_path / "last.ckpt") as beside:
                raise OSError(28, "No space left on device", str(beside))
        except OSError:
            with replaced_file(tmp_path / "run_meta.json"):
                raise full  # noqa: B904
    except OSError as error:
        found = disk_full(error, Path("run"))
    assert found is not None
    assert found.filename == str(tmp_path / "last.ckpt")


def test_an_error_names_the_file_and_not_the_one_beside_it(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, replaced_file(tmp_path / "a.png") as beside:
        raise OSError(28, "No space left on device", str(beside))
    assert caught.value.filename == str(tmp_path / "a.png")
    with pytest.raises(OSError) as caught, replaced_folder(tmp_path / "adapters") as beside:
        raise OSError(28, "No space left on device", str(beside / "a.json"))
    assert caught.value.filename == str(tmp_path / "adapters")
    assert list(tmp_path.iterdir()) == []


def test_bytes_are_written_from_a_view(tmp_path: Path) -> None:
    write_bytes(tmp_path / "new" / "a.bin", memoryview(b"abc"))
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"abc"


def test_appending_adds_lines(tmp_path: Path) -> None:
    for line in ("é\n", "b\n"):
        append_text(tmp_path / "a.jsonl", line)
    assert (tmp_path / "a.jsonl").read_text(encoding="utf-8") == "é\nb\n"


def test_what_a_killed_process_left_is_tidied_up(tmp_path: Path) -> None:
    for name in (".last.ckpt.123.tmp", ".hidden", "kept.123.tmp"):
        (tmp_path / name).write_text("x")
    for name in (".adapters.123.tmp", ".adapters.123.old", ".other.9.old", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "adapters", "kept.123.tmp", "other"]
    assert (tmp_path / "adapters" / "file").read_text() == ".adapters.123.old"
    assert (tmp_path / "other" / "file").read_text() == "other"
