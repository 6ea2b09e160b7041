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
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast, overload

from text2sql_lightning.atomic import replaced_folder, write_json
from text2sql_lightning.data.encoding import EncodedExample, EncodedSplit
from text2sql_lightning.text.prompts import prompt_sha256

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)

CACHED_FROM: Final = 5000
"""Records from which on a cache is faster than encoding again."""

_FORMAT: Final = 1
_COUNTS: Final = "counts.json"


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


def encode_once(folder: Path, key: str, encode: Callable[[], EncodedSplit]) -> EncodedSplit:
    """Give the examples of a cache; without one encode, and write it.

    Args:
        folder: Where caches are, each in a folder named after its key.
        key: From `cache_key`.
        encode: Makes the examples.

    Returns:
        What `encode` gives or gave. Where nothing can be written, or `datasets` is not installed, there is no cache.
    """
    if find_spec("datasets") is None:
        return encode()
    path = folder / key
    if path.is_dir():
        try:
            return _read(path)
        except (OSError, ValueError, KeyError) as error:
            log.warning("%s cannot be read and is written again (%s)", path, error)
    encoded = encode()
    try:
        with replaced_folder(path) as beside:
            _write(beside, encoded)
    except OSError as error:  # a read-only folder, no space, or another process was faster
        log.info("no token cache in %s: %s", folder, error)
    return encoded


class CachedExamples(Sequence[EncodedExample]):
    """The examples of a cache, each read when it is asked for.

    Args:
        dataset: With the columns id, input_ids and prompt_length.
    """

    def __init__(self, dataset: Any) -> None:
        self._table = dataset.data.table
        self.ids: list[str] = self._table.column("id").to_pylist()

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> EncodedExample: ...
    @overload
    def __getitem__(self, index: slice) -> list[EncodedExample]: ...
    def __getitem__(self, index: int | slice) -> EncodedExample | list[EncodedExample]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        ids = array("i")
        ids.frombytes(self._table.column("input_ids")[index].values.to_numpy().tobytes())
        return EncodedExample(self.ids[index], ids, self._table.column("prompt_length")[index].as_py())

    def __iter__(self) -> Iterator[EncodedExample]:
        return (self[at] for at in range(len(self)))


def _write(folder: Path, encoded: EncodedSplit) -> None:
    import numpy as np
    import pyarrow as pa
    from datasets import Dataset

    examples = encoded.examples
    lengths = [len(example.input_ids) for example in examples]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    values = np.concatenate([np.frombuffer(example.input_ids, dtype=np.int32) for example in examples])
    table = pa.table(
        {
            "id": [example.id for example in examples],
            "input_ids": pa.LargeListArray.from_arrays(offsets, values),
            "prompt_length": pa.array([example.prompt_length for example in examples], pa.int32()),
        }
    )
    make = cast("Any", Dataset)
    make(table).save_to_disk(str(folder))
    write_json(folder / _COUNTS, {"dropped": encoded.dropped, "separated": encoded.separated})


def _read(path: Path) -> EncodedSplit:
    from datasets import load_from_disk

    counts = json.loads((path / _COUNTS).read_text(encoding="utf-8"))
    return EncodedSplit(CachedExamples(load_from_disk(str(path))), counts["dropped"], counts["separated"])
