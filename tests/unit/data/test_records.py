import json
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.data.records import Record, parse_record, read_records, write_records
from text2sql_lightning.errors import DataError
from text2sql_lightning.text.prompts import INSTRUCTION, format_input

pytestmark = pytest.mark.unit

INPUT = format_input("CREATE TABLE t (a INTEGER)", "How many é?")
RECORD = Record("sqlcc-train-000001", INSTRUCTION, INPUT, "SELECT COUNT(*) FROM t", "rows.jsonl", {"row": 3})


def fields(**changes: Any) -> dict[str, Any]:
    return json.loads(RECORD.to_json()) | changes


def test_to_json_is_one_line_with_the_fields_in_order() -> None:
    assert RECORD.to_json() == (
        '{"id": "sqlcc-train-000001", "instruction": "Write a SQL query that answers the user\'s question using ONLY '
        'the tables and columns provided in the schema.", "input": "### Schema:\\nCREATE TABLE t (a INTEGER)\\n\\n'
        '### Question:\\nHow many é?", "output": "SELECT COUNT(*) FROM t", "source": "rows.jsonl", "meta": {"row": 3}}'
    )


def test_context_and_question() -> None:
    assert (RECORD.context, RECORD.question) == ("CREATE TABLE t (a INTEGER)", "How many é?")


@pytest.mark.parametrize("name", ["train.jsonl", "train.jsonl.gz"])
def test_records_come_back_as_they_were_written(tmp_path: Path, name: str) -> None:
    records = [RECORD, Record("2", INSTRUCTION, INPUT, "SELECT 1", "", {})]
    write_records(tmp_path / name, records)
    assert read_records(tmp_path / name) == records


def test_a_record_without_output(tmp_path: Path) -> None:
    path = tmp_path / "predict.jsonl"
    write_records(path, [Record("1", INSTRUCTION, INPUT)])
    assert "output" not in path.read_text()
    assert read_records(path, require_output=False) == [Record("1", INSTRUCTION, INPUT, None, "", {})]
    with pytest.raises(DataError, match="line 1, field output: missing"):
        read_records(path)


def test_output_null_is_no_output() -> None:
    assert parse_record(fields(output=None), "f", 1, require_output=False).output is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"id": 5}, "f.jsonl, line 7, field id: expected a string, got number"),
        ({"id": " "}, "f.jsonl, line 7, field id: empty"),
        ({"instruction": None}, "f.jsonl, line 7, field instruction: expected a string, got null"),
        ({"input": ["x"]}, "f.jsonl, line 7, field input: expected a string, got array"),
        ({"output": True}, "f.jsonl, line 7, field output: expected a string, got boolean"),
        ({"output": "\n"}, "f.jsonl, line 7, field output: empty"),
        ({"source": 1.5}, "f.jsonl, line 7, field source: expected a string, got number"),
        ({"meta": []}, "f.jsonl, line 7, field meta: expected an object, got array"),
        (
            {"output": "\ud800"},
            "f.jsonl, line 7, field output: half of a surrogate pair, which is no character; remove it",
        ),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_record(fields(**changes), "f.jsonl", 7)
    assert str(caught.value) == expected


@pytest.mark.parametrize("name", ["id", "instruction", "input", "output"])
def test_a_missing_field_is_named(name: str) -> None:
    obj = fields()
    del obj[name]
    with pytest.raises(DataError, match=f"f.jsonl, line 7, field {name}: missing; the line has"):
        parse_record(obj, "f.jsonl", 7)


def test_an_input_of_another_form_is_named() -> None:
    with pytest.raises(DataError, match=r"f\.jsonl, line 7, field input: input 'How many"):
        parse_record(fields(input="How many?"), "f.jsonl", 7)


def test_an_id_may_occur_once(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    write_records(path, [RECORD, Record("2", INSTRUCTION, INPUT, "SELECT 1"), RECORD])
    with pytest.raises(DataError, match="line 3, field id: 'sqlcc-train-000001' is also the id of line 1"):
        read_records(path)


def test_a_file_without_records(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text("\n")
    with pytest.raises(DataError, match="holds no records"):
        read_records(path)
