"""The record: one training or evaluation example in Alpaca form, one JSON object a line; read whole or left on disk."""

import hashlib
import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, overload

from text2sql_lightning.errors import DataError
from text2sql_lightning.files.jsonl import (
    JsonObject,
    excerpt,
    json_type,
    parse_line,
    read_lines,
    read_objects,
    text_field,
    write_objects,
)
from text2sql_lightning.text.prompts import split_input

LARGE: Final = 5000
"""Records from which on a training file is left on disk, and its token ids are kept in a cache."""


@dataclass(frozen=True)
class Record:
    """One example: what is asked, and the SQL that answers it.

    Attributes:
        id: Names the record; no other record of the file has the same.
        instruction: The constant first part of the prompt.
        input: Schema and question, as `text.prompts.format_input` joins them.
        output: The SQL, or None where it is to be predicted.
        source: The dataset or file that the record comes from.
        meta: Where exactly it comes from and what was done to it; docs/dataset.md lists the keys.
    """

    id: str
    instruction: str
    input: str
    output: str | None = None
    source: str = ""
    meta: JsonObject = field(default_factory=dict)

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

    def _fields(self) -> JsonObject:
        return {name: value for name, value in vars(self).items() if name != "output" or value is not None}


def parse_record(obj: Mapping[str, object], file: str | Path, line: int, *, require_output: bool = True) -> Record:
    """Check a JSON object and make a record of it; `source` and `meta` may be missing, other keys are ignored.

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
    """Read a file of records (.jsonl, .jsonl.gz), at least one.

    Raises:
        DataError: The file or one of its lines is not as it should be, an id occurs twice, or there is no record.
    """
    path = Path(path)
    lines: dict[str, int] = {}
    records = []
    for line, obj in read_objects(path):
        record = parse_record(obj, path, line, require_output=require_output)
        if (first := lines.setdefault(record.id, line)) != line:
            raise DataError(f"{path}, line {line}, field id: {excerpt(record.id)} is also the id of line {first}")
        records.append(record)
    if not records:
        raise DataError(f"{path} holds no records; build it with `text2sql build`")
    return records


def write_records(path: str | Path, records: Iterable[Record]) -> None:
    """Write a file of records (.jsonl, .jsonl.gz) in one step: a reader sees the old file or the whole new one."""
    write_objects(Path(path), (record._fields() for record in records))


def open_records(path: str | Path, look: Callable[[Record], None]) -> Sequence[Record]:
    """Check a file of records with an output as `read_records` does; `look` is called with every record once, in order.

    Returns:
        The records in the order of the file: a `RecordFile` where a file that is not compressed has 5,000 or more, else
        a list.
    """
    path = Path(path)
    if path.suffix == ".gz":
        records = read_records(path)
        for record in records:
            look(record)
        return records
    on_disk = RecordFile(path, look)
    # An id that occurs twice is left to the other reader: it names both lines.
    return on_disk if len(on_disk) >= LARGE and on_disk.ids_differ else read_records(path)


class RecordFile(Sequence[Record]):
    """The records of a large .jsonl file, left on disk: each is read when it is asked for.

    Memory holds where each line begins, eight bytes a record, so a million records take little more than a thousand.
    Every line is checked once, when the file is opened, and the file must be the same afterwards.

    Args:
        path: The file.
        look: Called with every record once, in order.

    Attributes:
        ids_differ: Whether no two records have the same id.
        sha256: Hash of the file, hexadecimal.

    Raises:
        DataError: The file or one of its lines is not as it should be; later: the file is another one than it was.
    """

    def __init__(self, path: Path, look: Callable[[Record], None]) -> None:
        import numpy as np

        self.path = path
        self._starts = array("q")
        self._stamp = _stamp(path)
        ids, start, digest = array("q"), 0, hashlib.sha256()
        for number, line in read_lines(path):
            digest.update(line)
            if line.strip():
                record = self._parse(line, number)
                self._starts.append(start)
                ids.append(hash(record.id))
                look(record)
            start += len(line)
        self._check(_stamp(path))
        self.ids_differ = len(np.unique(np.asarray(ids))) == len(ids)
        self.sha256 = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return list(self._read(self._starts[index]))
        return next(self._read([self._starts[index]]))

    def __iter__(self) -> Iterator[Record]:
        return self._read(self._starts)

    def take(self, indices: Iterable[int]) -> list[Record]:
        """Read some of the records, in the order given."""
        return list(self._read([self._starts[index] for index in indices]))

    def _read(self, starts: Sequence[int]) -> Iterator[Record]:
        try:
            with self.path.open("rb") as file:
                self._check(_stamp(self.path))
                for start in starts:
                    if file.tell() != start:
                        file.seek(start)
                    yield self._parse(file.readline(), 1 if start == 0 else 2)
        except OSError as error:
            raise DataError(f"{self.path} cannot be read any more: {error.strerror or error}") from error

    def _parse(self, line: bytes, number: int) -> Record:
        return parse_record(parse_line(line, self.path, number), self.path, number)

    def _check(self, stamp: tuple[int, ...] | None) -> None:
        if stamp != self._stamp:
            raise DataError(f"{self.path} has changed since it was opened; start again")


def _stamp(path: Path) -> tuple[int, ...] | None:
    """What tells a file from one that has taken its place or was written to; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
