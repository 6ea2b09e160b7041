import gzip
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from text2sql_lightning.data import sources
from text2sql_lightning.data.sources import RawRow, hub_rows, iter_rows
from text2sql_lightning.errors import DataError

pytestmark = pytest.mark.unit

ROW = {"question": "How many?", "context": "CREATE TABLE t (a INTEGER)", "answer": "SELECT COUNT(*) FROM t"}


class DatasetNotFoundError(FileNotFoundError):
    """Named as the hub library names it: errors are told apart by name, without importing the library."""


def hub(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    def load_dataset(name: str, split: str) -> Any:
        assert split == "train"
        if isinstance(answer, BaseException):
            raise answer
        return answer

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))


def test_rows_of_a_file_carry_position_and_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    second = ROW | {"question": "Who?", "extra": 1}
    path.write_bytes(gzip.compress(f"{json.dumps(ROW)}\n\n{json.dumps(second)}\n".encode()))
    rows = list(iter_rows(path))
    assert rows[0] == RawRow("How many?", "CREATE TABLE t (a INTEGER)", "SELECT COUNT(*) FROM t", 0, "rows.jsonl.gz")
    assert (rows[1].question, rows[1].index) == ("Who?", 1)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"question": "q", "context": "c"}, "line 1, field answer: missing; the line has question, context"),
        (ROW | {"context": 3}, "line 1, field context: expected a string, got number"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, row: dict[str, Any], expected: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row))
    with pytest.raises(DataError) as caught:
        list(iter_rows(path))
    assert str(caught.value) == f"{path}, {expected}"


def test_a_file_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("")
    with pytest.raises(DataError, match="holds no rows; expected lines with question, context and answer"):
        list(iter_rows(path))


def test_the_sample_is_read_from_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "files", lambda package: tmp_path)
    with pytest.raises(DataError, match="reinstall the package"):
        sources.embedded_rows()
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "sample_rows.jsonl.gz").write_bytes(gzip.compress(json.dumps(ROW).encode()))
    assert sources.embedded_rows() == [RawRow(**ROW, index=0, source="text2sql_lightning/sample")]


def test_rows_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    hub(monkeypatch, [ROW])
    assert list(hub_rows()) == [RawRow(**ROW, index=0, source="b-mc2/sql-create-context")]


def test_a_data_set_with_other_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    hub(monkeypatch, [{"text": "x"}])
    with pytest.raises(DataError, match="a/b, row 0, field question: missing; the line has text"):
        list(hub_rows("a/b"))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DatasetNotFoundError("Dataset 'a/b' is a gated dataset on the Hub."), "is gated: accept its licence"),
        (DatasetNotFoundError("Dataset 'a/b' doesn't exist on the Hub"), "a/b: the hub has no such dataset"),
        (ConnectionError("Couldn't reach 'a/b' on the Hub (LocalEntryNotFoundError)"), "the hub cannot be reached"),
        (ConnectionError("Couldn't reach 'a/b' on the Hub (OfflineModeIsEnabled)"), "the hub cannot be reached"),
        (ValueError("Unknown split\nmore"), "cannot be loaded: Unknown split"),
    ],
)
def test_the_hub_s_errors_are_told_apart(monkeypatch: pytest.MonkeyPatch, error: OSError, expected: str) -> None:
    hub(monkeypatch, error)
    with pytest.raises(DataError) as caught:
        list(hub_rows("a/b"))
    assert expected in str(caught.value)
    assert "--input_jsonl FILE" in str(caught.value)
    assert "\n" not in str(caught.value)
