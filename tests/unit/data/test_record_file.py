import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from text2sql_lightning.data import records as records_module
from text2sql_lightning.data.records import Record, RecordFile, open_records, read_records, write_records
from text2sql_lightning.errors import DataError

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_module, "LARGE", 20)


def look(record: Record) -> None: ...


def test_a_large_file_gives_what_reading_it_whole_gives(records_file: Callable[..., Path]) -> None:
    path = records_file("train", 24)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\n\n", 3) + b"\n  \n")
    seen: list[Record] = []
    records, expected = open_records(path, seen.append), read_records(path)
    assert isinstance(records, RecordFile)
    assert list(records) == seen == expected
    assert (len(records), records[0], records[-1], records[7]) == (24, expected[0], expected[23], expected[7])
    assert records[2:9] == expected[2:9]
    assert records[::5] == expected[::5]
    assert records.take([20, 3, 3]) == [expected[20], expected[3], expected[3]]
    assert records.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(IndexError):
        records[24]


@pytest.mark.parametrize(("name", "count"), [("train.jsonl", 19), ("train.jsonl.gz", 24)])
def test_what_is_small_or_compressed_is_in_memory(
    tmp_path: Path, records_file: Callable[..., Path], name: str, count: int
) -> None:
    write_records(tmp_path / name, read_records(records_file("train", count)))
    seen: list[Record] = []
    records = open_records(tmp_path / name, seen.append)
    assert isinstance(records, list)
    assert seen == records == read_records(tmp_path / name)


def test_errors_are_those_of_reading_it_whole(records_file: Callable[..., Path]) -> None:
    path = records_file("train", 24)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, "", lines[3]]))
    with pytest.raises(DataError) as repeated:
        open_records(path, look)
    assert str(repeated.value) == f"{path}, line 26, field id: 'sqlcc-train-000004' is also the id of line 4"
    path.write_text("\n".join([*lines, "", json.dumps({**json.loads(lines[0]), "input": ""})]))
    with pytest.raises(DataError) as empty:
        open_records(path, look)
    assert str(empty.value) == f"{path}, line 26, field input: empty"
    with pytest.raises(DataError, match="no such file"):
        open_records(path.with_name("none.jsonl"), look)


def swapped(path: Path) -> None:
    """Another file of the same length in its place, as a new build would put it."""
    lines = path.read_text().splitlines(keepends=True)
    (path.parent / "new").write_text("".join([lines[1], lines[0], *lines[2:]]))
    (path.parent / "new").replace(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (swapped, "has changed since it was opened; start again"),
        (lambda path: path.write_text("another file"), "has changed since it was opened; start again"),
        (lambda path: path.unlink(), "cannot be read any more: No such file or directory"),
    ],
)
def test_a_file_that_is_another_one_meanwhile_is_refused(
    records_file: Callable[..., Path], change: Callable[[Path], object], message: str
) -> None:
    path = records_file("train", 24)
    records = open_records(path, look)
    change(path)
    for read in (lambda: records[3], lambda: records[2:4], lambda: list(records)):
        with pytest.raises(DataError) as changed:
            read()
        assert str(changed.value) == f"{path} {message}"


def test_a_change_while_it_is_checked_is_noticed(records_file: Callable[..., Path]) -> None:
    path = records_file("train", 24)
    with pytest.raises(DataError, match="has changed since it was opened; start again"):
        open_records(path, lambda record: os.utime(path, ns=(1, 1)))
