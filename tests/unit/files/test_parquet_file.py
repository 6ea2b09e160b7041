from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.data.sources import parquet_rows
from text2sql_lightning.errors import DataError

pytestmark = pytest.mark.unit


def write(path: Path, columns: dict[str, Any]) -> Path:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), path)
    return path


def columns(count: int, **more: Any) -> dict[str, Any]:
    return {"question": [f"q{n}" for n in range(count)], "context": ["c"] * count, "answer": ["a"] * count, **more}


def message(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        list(parquet_rows(path))
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(path), "FILE")


def test_rows_of_several_batches(tmp_path: Path) -> None:
    import pyarrow

    answers = pyarrow.array(["a"] * 3000).dictionary_encode()
    rows = list(parquet_rows(write(tmp_path / "rows.parquet", columns(3000, answer=answers, number=[1] * 3000))))
    assert (len(rows), rows[2999].question, rows[2999].index) == (3000, "q2999", 2999)
    assert (rows[0].source, rows[0].answer, rows[0].dialect) == ("rows.parquet", "a", "sqlite")


def test_what_cannot_be_used_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    assert message(path) == "FILE: no such file"
    assert message(tmp_path).endswith(": a folder; give one Parquet file")
    assert message(write(path, {"question": ["q"], "sql": ["s"]})) == (
        "FILE: no column context, answer; it has question, sql"
    )
    assert message(write(path, columns(1, answer=[3]))) == "FILE, column answer: expected text, got int64"
    assert (
        message(write(path, columns(2, answer=["a", None]))) == "FILE, row 1, field answer: expected a string, got null"
    )
    assert message(write(path, {name: values[:0] for name, values in columns(1).items()})) == (
        "FILE, column question: expected text, got null"
    )


def test_a_damaged_file(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", columns(3000))
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    assert message(path).startswith("FILE is damaged or no Parquet file, from row 0 on")
    path.write_bytes(whole[:200] + b"\xff" * 400 + whole[600:])
    assert message(path).startswith("FILE is damaged or no Parquet file, from row 0 on")
    path.write_bytes(b"question,answer\n")
    assert message(path).startswith("FILE is damaged or no Parquet file, from row 0 on")
