"""The record: one training or evaluation example in Alpaca form, one JSON object a line."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import Any

from text2sql_lightning.errors import DataError
from text2sql_lightning.files.jsonl import excerpt, json_type, read_objects, text_field, write_objects
from text2sql_lightning.text.prompts import split_input


@dataclass(frozen=True)
class Record:
    """One example: what is asked, and the SQL that answers it.

    Attributes:
        id: Names the record; no other record of the file has the same.
        instruction: The constant first part of the prompt.
        input: Schema and question, as `text.prompts.format_input` joins them.
        output: The SQL, or None where it is to be predicted.
        source: The data set or file that the record comes from.
        meta: Where exactly it comes from and what was done to it; docs/dataset.md lists the keys.
    """

    id: str
    instruction: str
    input: str
    output: str | None = None
    source: str = ""
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def context(self) -> str:
        """The schema part of the input, as CREATE TABLE text."""
        return split_input(self.input)[0]

    @property
    def question(self) -> str:
        """The question part of the input."""
        return split_input(self.input)[1]

    def to_json(self) -> str:
        """Write the record as one line of JSON, without the newline; no `output` key where there is none."""
        return json.dumps(self._fields(), ensure_ascii=False, allow_nan=False)

    def _fields(self) -> dict[str, Any]:
        fields = {field.name: getattr(self, field.name) for field in dataclass_fields(self)}
        if self.output is None:
            del fields["output"]
        return fields


def parse_record(obj: Mapping[str, Any], file: str | Path, line: int, *, require_output: bool = True) -> Record:
    """Check an object and make a record of it.

    Args:
        obj: A JSON object. `source` and `meta` may be missing; other keys are ignored.
        file: Where it comes from, for messages.
        line: Its line, from 1, for messages.
        require_output: Whether an object without SQL is an error.

    Returns:
        The record.

    Raises:
        DataError: A field is missing, of another type, empty or malformed; names file, line and field.
    """
    place = f"{file}, line {line}"
    texts = {name: text_field(obj, name, place) for name in ("id", "instruction", "input")}
    output = text_field(obj, "output", place) if require_output or obj.get("output") is not None else None
    required = {"id": texts["id"], "input": texts["input"]} | ({"output": output or ""} if require_output else {})
    for name, value in required.items():
        if not value.strip():
            raise DataError(f"{place}, field {name}: empty")
    try:
        split_input(texts["input"])
    except DataError as error:
        raise DataError(f"{place}, field input: {error}") from error
    meta = obj.get("meta", {})
    if not isinstance(meta, dict):
        raise DataError(f"{place}, field meta: expected an object, got {json_type(meta)}")
    try:
        json.dumps(meta, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:  # half of a surrogate pair, a number such as 1e999
        raise DataError(f"{place}, field meta: cannot be written as JSON again ({error})") from error
    source = text_field(obj, "source", place) if "source" in obj else ""
    return Record(**texts, output=output, source=source, meta=meta)


def read_records(path: str | Path, require_output: bool = True) -> list[Record]:
    """Read a file of records.

    Args:
        path: A .jsonl or .jsonl.gz file.
        require_output: Whether a record without SQL is an error.

    Returns:
        The records in the order of the file, at least one.

    Raises:
        DataError: The file or one of its lines is not as it should be, an id occurs twice, or there is no record.
    """
    path = Path(path)
    lines: dict[str, int] = {}
    records = []
    for line, obj in read_objects(path):
        record = parse_record(obj, path, line, require_output=require_output)
        if record.id in lines:
            raise DataError(
                f"{path}, line {line}, field id: {excerpt(record.id)} is also the id of line {lines[record.id]}"
            )
        lines[record.id] = line
        records.append(record)
    if not records:
        raise DataError(f"{path} holds no records; build it with `text2sql build`")
    return records


def write_records(path: str | Path, records: Iterable[Record]) -> None:
    """Write a file of records in one step: a reader sees the old file or the whole new one.

    Args:
        path: The .jsonl or .jsonl.gz file.
        records: What to write, in this order.
    """
    write_objects(Path(path), (record._fields() for record in records))
