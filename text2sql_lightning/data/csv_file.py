"""CSV files with a header line, read line by line, with errors that name the line."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from text2sql_lightning.data.jsonl import decode_line, read_lines
from text2sql_lightning.errors import DataError

if TYPE_CHECKING:
    from _csv import Reader


def read_csv(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Read the rows of a file as Excel and most programs write it: fields in double quotes, quotes inside doubled.

    Args:
        path: A UTF-8 file; tabs separate the fields where its name has .tsv in it, else commas. Decompressed where it
            ends in .gz.
        columns: The columns that the header must have.

    Yields:
        The line on which the row begins, from 1, and its fields by column.

    Raises:
        DataError: The file is unreadable or not UTF-8, has no header or lacks a column; or a row has another number of
            fields than the header, or a quote that is never closed.
    """
    lines = (decode_line(line, path, number) for number, line in read_lines(path))
    reader = csv.reader(lines, delimiter="\t" if ".tsv" in path.suffixes else ",", strict=True)
    header = next(_rows(reader, path), (0, []))[1]
    missing = [column for column in columns if column not in header]
    if missing:
        raise DataError(
            f"{path}, line 1: no column {', '.join(missing)}; the header has {', '.join(header)[:200] or 'nothing'}"
        )
    for line, fields in _rows(reader, path):
        if len(fields) != len(header):
            raise DataError(
                f"{path}, line {line}: {len(fields)} fields, but the header has {len(header)} columns; put fields with "
                "commas or line breaks in double quotes"
            )
        yield line, dict(zip(header, fields, strict=True))


def _rows(reader: "Reader", path: Path) -> Iterator[tuple[int, list[str]]]:
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise DataError(
                f"{path}, line {line}: not CSV ({error}); a row begins there whose double quotes do not pair up, or "
                f"with a field of more than {csv.field_size_limit()} characters"
            ) from error
        if fields is None:
            return
        if fields:
            yield line, fields
