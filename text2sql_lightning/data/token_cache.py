"""Token ids of large files, kept on disk as Arrow and read from there by memory mapping.

A cache is named by a hash of all that the ids depend on: file, sample, length limit, prompt and tokenizer. It appears
as a whole folder or not at all. Of several processes one writes it, and the others wait for it. One that cannot be
read, or has lost examples, is written again.
"""

import hashlib
import json
import logging
import os
from array import array
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Final, overload

from text2sql_lightning.data.encoding import EncodedExample, EncodedSplit, Encoding, in_memory
from text2sql_lightning.files.atomic import remove_leftovers, replaced_folder, write_json
from text2sql_lightning.files.jsonl import read_json
from text2sql_lightning.text.prompts import prompt_sha256

if TYPE_CHECKING:
    import pyarrow as pa
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)

_FORMAT: Final = 2
_COUNTS: Final = "counts.json"
_EXAMPLES: Final = "examples.arrow"
_LOCK: Final = ".lock"


def cache_key(tokenizer: "PreTrainedTokenizerBase", **facts: object) -> str:
    """Return 32 hex digits that identify a tokenizer, the prompt, and what else the ids depend on."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    described = {
        **facts,
        "format": _FORMAT,
        "prompt": prompt_sha256(),
        "tokenizer": backend.to_str() if backend is not None else sorted(tokenizer.get_vocab().items()),
        "eos": tokenizer.eos_token_id,
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:32]


def encode_once(folder: Path, key: str, encoding: Encoding) -> EncodedSplit:
    """Return the examples of the cache `folder/key`; without one encode, and write it on the way.

    Memory then holds a part only. Where nothing can be written, or without `pyarrow`, it holds all, and there is no
    cache.
    """
    if find_spec("pyarrow") is None:
        return in_memory(encoding)
    path = folder / key
    found = _find(path)
    if found is not None:
        return found
    from filelock import FileLock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / _LOCK):
            remove_leftovers(folder)
            found = _find(path)  # another process may have been at it
            if found is None:
                with replaced_folder(path) as temporary:
                    _write(temporary, encoding)
                found = _read(path)
            return found
    except (OSError, NotImplementedError) as error:  # a read-only folder, no space, a file system without locks
        log.warning("token ids are not kept in %s, and the next start encodes again (%s)", folder, error)
        return in_memory(encoding)


class CachedExamples(Sequence[EncodedExample]):
    """The examples of a cache, an Arrow file with the fields of `EncodedExample`, each read when it is asked for."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self._path = path
        self.table = pa.ipc.open_stream(pa.memory_map(str(path))).read_all()

    def __reduce__(self) -> tuple[type["CachedExamples"], tuple[Path]]:
        return CachedExamples, (self._path,)  # a process that prepares batches maps the file itself

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @overload
    def __getitem__(self, index: int) -> EncodedExample: ...
    @overload
    def __getitem__(self, index: slice) -> list[EncodedExample]: ...
    def __getitem__(self, index: int | slice) -> EncodedExample | list[EncodedExample]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        ids = array("i", self.table.column("input_ids")[index].values.to_numpy().tobytes())
        name, *rest = (self.table.column(name)[index].as_py() for name in ("id", "prompt_length", "schema_key"))
        return EncodedExample(name, ids, *rest)


def lengths(examples: Sequence[EncodedExample]) -> "array[int]":
    """Return the tokens of each example."""
    if not isinstance(examples, CachedExamples):
        return array("i", (len(example.input_ids) for example in examples))
    chunks = examples.table.column("input_ids").chunks
    return array("i", b"".join(chunk.value_lengths().to_numpy().astype("int32").tobytes() for chunk in chunks))


def schema_keys(examples: Sequence[EncodedExample]) -> "array[int]":
    """Return `EncodedExample.schema_key` of each example."""
    if not isinstance(examples, CachedExamples):
        return array("q", (example.schema_key for example in examples))
    return array("q", examples.table.column("schema_key").to_numpy().tobytes())


def _write(folder: Path, encoding: Encoding) -> None:
    import pyarrow as pa

    columns = [("id", pa.string()), ("input_ids", pa.list_(pa.int32())), ("prompt_length", pa.int32())]
    schema = pa.schema([*columns, ("schema_key", pa.int64())])
    count = 0
    with (folder / _EXAMPLES).open("wb") as file:
        with pa.ipc.new_stream(file, schema) as writer:
            for examples in encoding:
                writer.write_batch(_batch(examples, schema))
                count += len(examples)
        file.flush()
        os.fsync(file.fileno())
    write_json(folder / _COUNTS, {"examples": count, "dropped": encoding.dropped, "separated": encoding.separated})


def _batch(examples: Sequence[EncodedExample], schema: "pa.Schema") -> "pa.RecordBatch":
    import pyarrow as pa

    values = array("i")
    for example in examples:
        values.extend(example.input_ids)
    offsets = array("i", accumulate((len(example.input_ids) for example in examples), initial=0))
    ids = pa.ListArray.from_arrays(
        *(pa.Array.from_buffers(pa.int32(), len(part), [None, pa.py_buffer(part)]) for part in (offsets, values))
    )
    names, *rest = ([getattr(example, name) for example in examples] for name in ("id", "prompt_length", "schema_key"))
    return pa.record_batch([names, ids, *rest], schema=schema)


def _find(path: Path) -> EncodedSplit | None:
    """Read a cache that is there and whole."""
    if not path.is_dir():
        return None
    try:
        return _read(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s cannot be read and is written again (%s)", path, error)
        return None


def _read(path: Path) -> EncodedSplit:
    counts = read_json(path / _COUNTS)
    examples = CachedExamples(path / _EXAMPLES)
    if len(examples) != counts["examples"]:
        raise ValueError(f"{len(examples)} of {counts['examples']} examples are left")
    return EncodedSplit(examples, counts["dropped"], counts["separated"])
