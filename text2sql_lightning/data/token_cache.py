"""Token ids of large files, kept on disk as Arrow and read from there by memory mapping.

A cache is named by a hash of all that the ids depend on: file, sample, length limit, prompt and tokenizer. It appears
as a whole folder or not at all, so a half-written one is never read; one that cannot be read is written again.
"""

import hashlib
import json
import logging
from array import array
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from itertools import accumulate, chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, overload

from text2sql_lightning.atomic import replaced_folder, write_json
from text2sql_lightning.data.encoding import EncodedExample, EncodedSplit, Encoding, in_memory
from text2sql_lightning.text.prompts import prompt_sha256

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)

CACHED_FROM: Final = 5000
"""Records from which on a cache is faster than encoding again."""

_FORMAT: Final = 2
_COUNTS: Final = "counts.json"
_EXAMPLES: Final = "examples.arrow"


def cache_key(tokenizer: "PreTrainedTokenizerBase", **facts: Any) -> str:
    """Give 32 hex digits that stand for a tokenizer, the prompt, and what else the ids depend on."""
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    described = {
        **facts,
        "format": _FORMAT,
        "prompt": prompt_sha256(),
        "tokenizer": backend.to_str() if backend is not None else sorted(tokenizer.get_vocab().items()),
        "eos": tokenizer.eos_token_id,
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:32]


def encode_once(folder: Path, key: str, encode: Callable[[], Encoding]) -> EncodedSplit:
    """Give the examples of a cache; without one encode, and write it on the way, so that memory holds a part only.

    Args:
        folder: Where caches are, each in a folder named after its key.
        key: From `cache_key`.
        encode: Starts the encoding.

    Returns:
        The examples, read from the cache. Where nothing can be written, or `datasets` is not installed, there is none,
        and they are in memory.
    """
    if find_spec("datasets") is None:
        return in_memory(encode())
    path = folder / key
    if path.is_dir():
        try:
            return _read(path)
        except (OSError, ValueError, KeyError) as error:
            log.warning("%s cannot be read and is written again (%s)", path, error)
    try:
        with replaced_folder(path) as beside:
            _write(beside, encode())
        return _read(path)
    except OSError as error:  # a read-only folder, no space, or another process was faster
        log.info("no token cache in %s: %s", folder, error)
        return in_memory(encode())


class CachedExamples(Sequence[EncodedExample]):
    """The examples of a cache, each read when it is asked for.

    Args:
        dataset: With the columns id, input_ids, prompt_length and schema_key.
    """

    def __init__(self, dataset: Any) -> None:
        self._table = dataset.data.table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @property
    def lengths(self) -> "array[int]":
        """Tokens of each example."""
        lengths = array("i")
        for chunk in self._table.column("input_ids").chunks:
            lengths.frombytes(chunk.value_lengths().to_numpy().astype("int32").tobytes())
        return lengths

    @property
    def schema_keys(self) -> "array[int]":
        """`EncodedExample.schema_key` of each example."""
        return array("q", self._table.column("schema_key").to_numpy().tobytes())

    @overload
    def __getitem__(self, index: int) -> EncodedExample: ...
    @overload
    def __getitem__(self, index: slice) -> list[EncodedExample]: ...
    def __getitem__(self, index: int | slice) -> EncodedExample | list[EncodedExample]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        ids = array("i")
        ids.frombytes(self._table.column("input_ids")[index].values.to_numpy().tobytes())
        rest = (self._table.column(name)[index].as_py() for name in ("prompt_length", "schema_key"))
        return EncodedExample(self._table.column("id")[index].as_py(), ids, *rest)

    def __iter__(self) -> Iterator[EncodedExample]:
        return (self[at] for at in range(len(self)))


def lengths(examples: Sequence[EncodedExample]) -> "array[int]":
    """Tokens of each example."""
    if isinstance(examples, CachedExamples):
        return examples.lengths
    return array("i", (len(example.input_ids) for example in examples))


def schema_keys(examples: Sequence[EncodedExample]) -> "array[int]":
    """`EncodedExample.schema_key` of each example."""
    if isinstance(examples, CachedExamples):
        return examples.schema_keys
    return array("q", (example.schema_key for example in examples))


def _write(folder: Path, encoding: Encoding) -> None:
    import pyarrow as pa

    columns = [("id", pa.string()), ("input_ids", pa.list_(pa.int32())), ("prompt_length", pa.int32())]
    schema = pa.schema([*columns, ("schema_key", pa.int64())])
    with (folder / _EXAMPLES).open("wb") as file, pa.ipc.new_stream(file, schema) as writer:
        for examples in encoding:
            writer.write_batch(_batch(examples, schema))
    write_json(folder / _COUNTS, {"dropped": encoding.dropped, "separated": encoding.separated})


def _batch(examples: Sequence[EncodedExample], schema: Any) -> Any:
    import pyarrow as pa

    offsets = array("i", accumulate((len(example.input_ids) for example in examples), initial=0))
    values = array("i", chain.from_iterable(example.input_ids for example in examples))
    ids = pa.ListArray.from_arrays(*(pa.array(memoryview(part), pa.int32()) for part in (offsets, values)))
    rest = ([getattr(example, name) for example in examples] for name in ("prompt_length", "schema_key"))
    return pa.record_batch([[example.id for example in examples], ids, *rest], schema=schema)


def _read(path: Path) -> EncodedSplit:
    from datasets import Dataset

    counts = json.loads((path / _COUNTS).read_text(encoding="utf-8"))
    dataset = Dataset.from_file(str(path / _EXAMPLES))
    return EncodedSplit(CachedExamples(dataset), counts["dropped"], counts["separated"])
