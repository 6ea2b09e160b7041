import json
from collections.abc import Callable
from pathlib import Path

import pytest

from text2sql_lightning.data import record_file
from text2sql_lightning.data.record_file import RecordFile, open_records
from text2sql_lightning.data.records import Record, read_records, write_records
from text2sql_lightning.errors import DataError

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_file, "LARGE", 20)
    monkeypatch.setattr(record_file, "_SMALL_FILE", 0)


def test_a_large_file_gives_what_reading_it_whole_gives(records_file: Callable[..., Path]) -> None:
    path = records_file("train", 24)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\n\n", 3) + b"\n  \n")
    seen: list[Record] = []
    records, expected = open_records(path, look=seen.append), read_records(path)
    assert isinstance(records, RecordFile)
    assert list(records) == seen == expected
    assert (len(records), records[0], records[-1], records[7]) == (24, expected[0], expected[23], expected[7])
    assert records[2:9] == expected[2:9]
    assert records[::5] == expected[::5]
    with pytest.raises(IndexError):
        records[24]


@pytest.mark.parametrize(("name", "count"), [("train.jsonl", 19), ("train.jsonl.gz", 24)])
def test_what_is_small_or_compressed_is_in_memory(
    tmp_path: Path, records_file: Callable[..., Path], name: str, count: int
) -> None:
    write_records(tmp_path / name, read_records(records_file("train", count)))
    seen: list[Record] = []
    records = open_records(tmp_path / name, look=seen.append)
    assert isinstance(records, list)
    assert seen == records == read_records(tmp_path / name)


def test_errors_are_those_of_reading_it_whole(records_file: Callable[..., Path]) -> None:
    path = records_file("train", 24)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, "", lines[3]]))
    with pytest.raises(DataError) as repeated:
        open_records(path)
    assert str(repeated.value) == f"{path}, line 26, field id: 'sqlcc-train-000004' is also the id of line 4"
    path.write_text("\n".join([*lines, "", json.dumps({**json.loads(lines[0]), "input": ""})]))
    with pytest.raises(DataError) as empty:
        open_records(path)
    assert str(empty.value) == f"{path}, line 26, field input: empty"
    with pytest.raises(DataError, match="no such file"):
        open_records(path.with_name("none.jsonl"))


def test_a_file_that_changes_meanwhile_is_noticed(records_file: Callable[..., Path]) -> None:
    path = records_file("train", 24)
    records = open_records(path)
    path.write_text("another file\n")
    with pytest.raises(DataError) as changed:
        records[3]
    assert str(changed.value) == f"{path} has changed since it was opened; start again"
