"""JSON files, and JSON lines, plain or gzip: read with errors that name the line, written in one step."""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from text2sql_lightning.errors import DataError
from text2sql_lightning.files.atomic import write_bytes

JsonObject: TypeAlias = dict[str, Any]


def read_objects(path: Path) -> Iterator[tuple[int, JsonObject]]:
    """Read the JSON objects of a file, one a line; empty lines are skipped.

    Args:
        path: A .jsonl file, or a gzip-compressed one whose name ends in .gz.

    Yields:
        The line's number, from 1, and the object on it.

    Raises:
        DataError: The file is missing or unreadable, or a line is not a JSON object in UTF-8; names file and line.
    """
    for number, line in read_lines(path):
        if line.strip():
            yield number, parse_line(line, path, number)


def write_objects(path: Path, objects: Iterable[Mapping[str, object]]) -> None:
    """Write one JSON object a line; a reader sees the old file or the whole new one, never a part.

    Equal objects give equal bytes, compressed (name ends in .gz) or not.

    Args:
        path: The file to write. Its folder is made if need be.
        objects: What to write, in this order.
    """
    text = "".join(json.dumps(dict(entry), ensure_ascii=False, allow_nan=False) + "\n" for entry in objects)
    write_bytes(path, gzip.compress(text.encode(), mtime=0) if path.suffix == ".gz" else text.encode())


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Read the lines of a file.

    Args:
        path: The file; decompressed where its name ends in .gz.

    Yields:
        The line's number, from 1, and its bytes.

    Raises:
        DataError: The file is missing, unreadable, or damaged gzip data.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield from enumerate(file, start=1)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        kind = ".csv or .csv.gz" if ".csv" in path.suffixes else ".jsonl or .jsonl.gz"
        raise DataError(f"{path} is a folder; give a {kind} file") from error
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path} is damaged or incomplete gzip data ({error}); copy or download it again") from error
    except gzip.BadGzipFile as error:
        raise DataError(f"{path} is not gzip data ({error}); rename it if it is not compressed") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def decode_line(line: bytes, path: Path, number: int) -> str:
    """Decode a line of `read_lines`; a byte order mark in front of the first one goes.

    Raises:
        DataError: The line is not UTF-8; names file, line and byte.
    """
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}, line {number} is not UTF-8 (byte {error.start}): save the file as UTF-8") from error


def parse_line(line: bytes, path: Path, number: int) -> JsonObject:
    """Parse the JSON object of a line of `read_lines`.

    Raises:
        DataError: The line is not a JSON object in UTF-8; names file and line.
    """
    place, text = f"{path}, line {number}", decode_line(line, path, number)
    try:
        entry = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise DataError(f"{place} is not JSON ({error.msg}, column {error.colno}): one object a line") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place} is not usable JSON ({error})") from error
    if not isinstance(entry, dict):
        raise DataError(f"{place} holds a JSON {json_type(entry)}: one object {{...}} a line is expected")
    return entry


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def read_json(path: Path) -> JsonObject:
    """Read a file that is one JSON object.

    Raises:
        DataError: The file is missing, unreadable, not UTF-8, no JSON, or holds anything else; names file and line.
    """
    content = _read_whole(path)
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a JSON {json_type(content)}: an object is expected")
    return content


def read_json_list(path: Path) -> list[JsonObject]:
    """Read a file that is one list of JSON objects.

    Raises:
        DataError: The file is missing, unreadable, not UTF-8, no JSON, or holds anything else; names line or entry.
    """
    entries = _read_whole(path)
    if not isinstance(entries, list):
        raise DataError(f"{path} holds a JSON {json_type(entries)}: a list of objects is expected")
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise DataError(f"{path}, entry {number}: expected an object, got {json_type(entry)}")
    return entries


def _read_whole(path: Path) -> object:
    try:
        content = path.read_bytes()
        return json.loads(content.decode("utf-8-sig"))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"{path}, line {line} is not UTF-8: save the file as UTF-8") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {error.lineno} is not JSON ({error.msg}, column {error.colno})") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not usable JSON ({error})") from error


def json_type(value: object) -> str:
    """Return the type of a JSON value for messages: object, array, string, boolean, number or null."""
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def text_field(entry: Mapping[str, object], field: str, place: str) -> str:
    """Return the text of a field; `place`, file and line, is for the message.

    Raises:
        DataError: The key is missing, or its value is not a text that can be written as UTF-8.
    """
    if field not in entry:
        raise DataError(f"{place}, field {field}: missing; the line has {_names(entry)}")
    value = entry[field]
    if not isinstance(value, str):
        raise DataError(f"{place}, field {field}: expected a string, got {json_type(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{place}, field {field}: half of a surrogate pair, which is no character; remove it"
        ) from error
    return value


def excerpt(text: str, length: int = 60) -> str:
    """Quote a text for a message: short, and on one line, whatever it holds."""
    return repr(text if len(text) <= length else text[: length - 3] + "...")


def _names(entry: Mapping[str, object], most: int = 12) -> str:
    names = [name if name.isprintable() and len(name) <= 60 else excerpt(name) for name in entry]
    return ", ".join(names[:most] + ["..."] * (len(names) > most)) or "no fields"
