import gzip
from pathlib import Path

import pytest

from text2sql_lightning.errors import DataError
from text2sql_lightning.files.jsonl import read_objects, write_bytes, write_objects

pytestmark = pytest.mark.unit


def read(path: Path) -> list[tuple[int, dict[str, object]]]:
    return list(read_objects(path))


def message(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(path), "FILE")


def test_objects_come_with_their_line_and_empty_lines_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes('\ufeff{"a": 1}\r\n\n  \n{"b": "é\u2028x"}'.encode())
    assert read(path) == [(1, {"a": 1}), (4, {"b": "é\u2028x"})]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"a": 1}\n{"a": }\n', "FILE, line 2 is not JSON (Expecting value, column 7): one object a line"),
        (b'{"a": 1}\n{"a": "\xe9"}\n', "FILE, line 2 is not UTF-8 (byte 7): save the file as UTF-8"),
        (b"[1]\n", "FILE, line 1 holds a JSON array: one object {...} a line is expected"),
        (b"true\n", "FILE, line 1 holds a JSON boolean: one object {...} a line is expected"),
        (b'{"a": NaN}\n', "FILE, line 1 is not usable JSON (NaN is no JSON number)"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    assert message(path) == expected


@pytest.mark.parametrize("line", [b"[" * 100_000, b'{"a": ' * 100_000, b"1" * 10_000])
def test_json_that_is_too_deep_or_too_long_is_an_error_like_any_other(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(line)
    assert message(path).startswith("FILE, line 1 is not ")


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    assert message(tmp_path / "none.jsonl") == "FILE: no such file"
    assert message(tmp_path) == "FILE is a folder; give a .jsonl or .jsonl.gz file"


def test_truncated_and_false_gzip_data(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    whole = gzip.compress(b"".join(b'{"a": %d}\n' % number for number in range(10_000)))
    path.write_bytes(whole[:-100])
    assert message(path).startswith("FILE is damaged or incomplete gzip data")
    path.write_bytes(whole[:5000] + b"\0\0\0\0" + whole[5004:])
    assert message(path).startswith("FILE")
    path.write_bytes(b'{"a": 1}\n')
    assert message(path).startswith("FILE is not gzip data")


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_what_is_written_comes_back_and_bytes_repeat(tmp_path: Path, name: str) -> None:
    objects = [{"b": "é\n'\"", "a": None}, {"x": [1, 2.5, True]}]
    first, second = tmp_path / name, tmp_path / "new" / "folder" / name
    write_objects(first, objects)
    write_objects(second, objects)
    assert [entry for _, entry in read_objects(first)] == objects
    assert first.read_bytes() == second.read_bytes()


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("old")

    def fail(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError):
        write_bytes(path, b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
