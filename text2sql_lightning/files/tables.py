"""Rows of CSV and Parquet files."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from text2sql_lightning.errors import DataError
from text2sql_lightning.files.jsonl import JsonObject, decode_line, read_lines

if TYPE_CHECKING:
    from _csv import Reader

    from pyarrow import NativeFile
    from pyarrow.parquet import ParquetFile


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


_BATCH: Final = 1024


def read_parquet(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, JsonObject]]:
    """Read text columns of a file; the others are not even decompressed.

    Args:
        path: The file.
        columns: The columns to read.

    Yields:
        The row's position, from 0, and its values by column; a missing value is None.

    Raises:
        DataError: The file is missing or damaged, lacks a column, or has one that is not text.
    """
    import pyarrow

    if not path.is_file():
        raise DataError(f"{path}: {'a folder; give one Parquet file' if path.is_dir() else 'no such file'}")
    index = 0
    try:
        with pyarrow.OSFile(str(path)) as handle:
            file = _open(handle, path, columns)
            for batch in file.iter_batches(batch_size=_BATCH, columns=list(columns)):
                for row in batch.to_pylist():
                    yield index, row
                    index += 1
    except (pyarrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path} is damaged or no Parquet file, from row {index} on ({reason})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}, row {index} or one of the {_BATCH} after it, is not UTF-8") from error


def _open(handle: "NativeFile", path: Path, columns: Sequence[str]) -> "ParquetFile":
    from pyarrow import parquet, types

    file = parquet.ParquetFile(handle)
    schema = file.schema_arrow
    missing = [column for column in columns if column not in schema.names]
    if missing:
        raise DataError(f"{path}: no column {', '.join(missing)}; it has {', '.join(schema.names)[:200]}")
    for column in columns:
        kind = schema.field(column).type
        value = kind.value_type if types.is_dictionary(kind) else kind
        if not (types.is_string(value) or types.is_large_string(value) or types.is_string_view(value)):
            raise DataError(f"{path}, column {column}: expected text, got {kind}")
    return file
