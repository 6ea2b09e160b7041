"""The data of a run: files of records in, batches out."""

import hashlib
import random
import signal
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from text2sql_lightning.constants import DEFAULT_BASE_MODEL
from text2sql_lightning.data.batching import LengthBucketBatchSampler, ResumableLoader, share_of
from text2sql_lightning.data.encoding import EncodedExample, EncodedSplit, Encoding, in_memory
from text2sql_lightning.data.packing import collate, collate_sequences, collate_shared_prefixes
from text2sql_lightning.data.records import LARGE, Record, RecordFile, open_records, read_records
from text2sql_lightning.data.token_cache import cache_key, encode_once, lengths, schema_keys
from text2sql_lightning.errors import ConfigError, DataError
from text2sql_lightning.text.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Split = Literal["train", "val", "test", "predict"]
Packing = Literal["none", "sequence", "shared_prefix"]

_STAGE_SPLITS: Final[dict[str | None, tuple[Split, ...]]] = {
    "fit": ("train", "val"),
    "validate": ("val",),
    "test": ("test",),
    "predict": ("predict",),
    None: ("train", "val", "test", "predict"),
}


@dataclass
class _Loaded:
    """A split that has been read: its records, the hash of its file, whether they say that they were decontaminated."""

    records: Sequence[Record]
    sha256: str
    decontaminated: set[bool | None]
    encoded: EncodedSplit | None = None


class Text2SQLDataModule(LightningDataModule):
    """Reads records (Alpaca JSONL), encodes them with the base model's tokenizer and batches them by length.

    Args:
        train_path: Records to train on (.jsonl or .jsonl.gz).
        val_path: Records to validate on while training, and for `validate`.
        test_path: Records for `test`.
        predict_path: Records for `predict`; their `output` is optional.
        tokenizer: Folder or hub name whose tokenizer encodes the records; linked to model.base_model.
        max_seq_length: Longest example in tokens, EOS included. Longer records are left out and counted, never cut.
        batch_size: Training examples per batch and process.
        eval_batch_size: Examples per batch and process in validation, test and prediction; batch_size where not given.
        num_workers: Processes that prepare batches; 0 prepares them in the main process. The batches are the same.
        seed: Decides the order of training examples and which ones the max_..._examples take.
        max_train_examples: Train on a random sample of this many records; all of them where not given.
        max_val_examples: Validate on a random sample of this many records; all of them where not given.
        max_test_examples: Test on a random sample of this many records; all of them where not given.
        packing: How the examples of a batch are laid out; the loss is the same. `none` pads them, `sequence` puts
            them into one row without padding, `shared_prefix` also computes what they begin with, instruction and
            often schema, once.
        pack_tokens: Most tokens of a training pack, which then holds as many examples as fit instead of batch_size; for
            `sequence` and `shared_prefix` (where what is shared is counted for each example). null for batch_size.
        token_cache: Folder for the token ids of files of 5,000 records or more, so that the next start does not encode
            them again; relative to the file's folder. null for none.
    """

    def __init__(
        self,
        train_path: str | None = None,
        val_path: str | None = None,
        test_path: str | None = None,
        predict_path: str | None = None,
        tokenizer: str = DEFAULT_BASE_MODEL,
        max_seq_length: int = 2048,
        batch_size: int = 1,
        eval_batch_size: int | None = None,
        num_workers: int = 0,
        seed: int = 42,
        max_train_examples: int | None = None,
        max_val_examples: int | None = None,
        max_test_examples: int | None = None,
        packing: Packing = "none",
        pack_tokens: int | None = None,
        token_cache: str | None = ".tokens",
    ) -> None:
        super().__init__()
        paths = (train_path, val_path, test_path, predict_path)
        self.paths: dict[Split, str | None] = dict(zip(_STAGE_SPLITS[None], paths, strict=True))
        self.tokenizer_name = tokenizer
        self.max_seq_length = max_seq_length
        self.batch_size = batch_size
        self.eval_batch_size = batch_size if eval_batch_size is None else eval_batch_size
        self.num_workers = num_workers
        self.seed = seed
        most = (max_train_examples, max_val_examples, max_test_examples)
        self.max_examples: dict[Split, int | None] = dict(zip(_STAGE_SPLITS[None], most, strict=False))
        self.packing = packing
        self.pack_tokens = pack_tokens
        self.token_cache = token_cache
        self._check_settings()
        self._tokenizer: PreTrainedTokenizerBase | None = None
        self._splits: dict[Split, _Loaded] = {}

    def _check_settings(self) -> None:
        at_least = {"max_seq_length": 2, "batch_size": 1, "eval_batch_size": 1, "num_workers": 0}
        for name, least in at_least.items():
            if getattr(self, name) < least:
                raise ConfigError(f"data.{name} is {getattr(self, name)}; it must be at least {least}")
        if self.pack_tokens is not None and (self.packing == "none" or self.pack_tokens < self.max_seq_length):
            raise ConfigError(
                f"data.pack_tokens is {self.pack_tokens} with data.packing {self.packing} and data.max_seq_length "
                f"{self.max_seq_length}: it needs sequence or shared_prefix, and room for the longest example"
            )
        for split, number in self.max_examples.items():
            if number is not None and number < 1:
                raise ConfigError(f"data.max_{split}_examples is {number}; it must be at least 1, or null for all")

    def setup(self, stage: str | None = None) -> None:
        """Read and encode what a stage needs; what has been read already is kept."""
        for split in _STAGE_SPLITS[stage]:
            if self.paths[split] is None or split in self._splits:
                continue
            loaded = self._read(split)
            if split != "predict":
                loaded.encoded = self._encode(split, loaded)
            self._splits[split] = loaded

    def train_dataloader(self) -> "DataLoader[EncodedExample]":
        """Shuffled batches of similar length; resumes where a checkpoint was written."""
        return self._make_dataloader("train")

    def val_dataloader(self) -> "DataLoader[EncodedExample]":
        """Batches of similar length, each example once over all processes."""
        return self._make_dataloader("val")

    def test_dataloader(self) -> "DataLoader[EncodedExample]":
        """Batches of similar length, each example once over all processes."""
        return self._make_dataloader("test")

    def predict_dataloader(self) -> "DataLoader[Record]":
        """Lists of records in the order of the file; each process has its own stretch of them."""
        return self._make_dataloader("predict")

    def transfer_batch_to_device(self, batch: object, device: torch.device, dataloader_idx: int) -> object:
        """Move tensors; lists of records have none (and frozen dataclasses are refused by Lightning's own mover)."""
        if isinstance(batch, list):
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    @property
    def tokenizer(self) -> "PreTrainedTokenizerBase":
        """The tokenizer, loaded when first asked for."""
        if self._tokenizer is None:
            self._tokenizer = load_tokenizer(self.tokenizer_name)
        return self._tokenizer

    def records(self, split: Split) -> Sequence[Record]:
        """The records of a split, those too long included; of a large training file read when they are asked for."""
        return self._loaded(split).records

    def num_examples(self, split: Split) -> int:
        """How many examples a split gives: its records without the dropped ones."""
        loaded = self._loaded(split)
        return len(loaded.encoded.examples if loaded.encoded else loaded.records)

    def dropped(self, split: Split) -> dict[str, int]:
        """How many records of a split were left out, by reason; empty when none."""
        encoded = self._loaded(split).encoded
        return dict(encoded.dropped) if encoded else {}

    def file_sha256(self, split: Split) -> str | None:
        """SHA-256 of a split's file as it was when it was read; None for a split that has not been set up."""
        return self._splits[split].sha256 if split in self._splits else None

    def decontaminated(self) -> bool | None:
        """Whether the files that have been read were decontaminated: False where a record was not, None if unknown."""
        flags = set[bool | None]().union(*(loaded.decontaminated for loaded in self._splits.values()))
        return False if False in flags else flags.pop() if len(flags) == 1 else None

    def _read(self, split: Split) -> _Loaded:
        path = Path(str(self.paths[split]))
        if not path.exists():
            raise DataError(
                f"{path}: no such file; make one with `text2sql build`, or name another with --data.{split}_path"
            )
        flags: set[bool | None] = set()

        def look(record: Record) -> None:
            flag = record.meta.get("decontaminated")
            flags.add(flag if isinstance(flag, bool) else None)

        records: Sequence[Record]
        if split == "train":
            records = open_records(path, look)
        else:
            records = read_records(path, require_output=split != "predict")
            for record in records:
                look(record)
        sha256 = records.sha256 if isinstance(records, RecordFile) else _sha256(path)
        limit = self.max_examples.get(split)
        if limit is not None and limit < len(records):
            chosen = sorted(random.Random(f"examples-{split}-{self.seed}").sample(range(len(records)), limit))
            records = records.take(chosen) if isinstance(records, RecordFile) else [records[index] for index in chosen]
        return _Loaded(records, sha256, flags)

    def _encode(self, split: Split, loaded: _Loaded) -> EncodedSplit:
        path = Path(str(self.paths[split]))
        encoding = Encoding(self.tokenizer, loaded.records, self.max_seq_length, str(path))
        if self.token_cache is None or len(loaded.records) < LARGE:
            return in_memory(encoding)
        limit = self.max_examples.get(split)
        key = cache_key(
            self.tokenizer,
            data_sha256=loaded.sha256,
            sample=None if limit is None else [limit, split, self.seed],
            max_seq_length=self.max_seq_length,
        )
        return encode_once(path.parent / self.token_cache, key, encoding)

    def _loaded(self, split: Split) -> _Loaded:
        if self.paths[split] is None:
            hint = ", or set trainer.limit_val_batches to 0 to train without validation" if split == "val" else ""
            raise DataError(f"data.{split}_path is not set; give a .jsonl file of records{hint}")
        if split not in self._splits:
            raise DataError(f"the {split} records have not been read yet; call setup() first")
        return self._splits[split]

    def _make_dataloader(self, split: Split) -> "DataLoader[Any]":
        loaded = self._loaded(split)
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        if split != "train" and self.num_examples(split) < world_size:
            # A process without a batch would miss the others' collective calls, and they would wait for ever.
            raise DataError(
                f"{self.paths[split]} gives {self.num_examples(split)} examples for {world_size} processes; "
                f"each needs at least one: set trainer.devices to {self.num_examples(split)} or fewer"
            )
        if loaded.encoded is None:
            records: Any = share_of(loaded.records, rank, world_size)
            return DataLoader(records, batch_size=self.eval_batch_size, collate_fn=list)
        examples = loaded.encoded.examples
        trains = split == "train"
        shuffles = trains and not getattr(self.trainer, "overfit_batches", 0)
        sampler = LengthBucketBatchSampler(
            lengths(examples),
            self.batch_size if trains else self.eval_batch_size,
            seed=self.seed,
            shuffle=shuffles,
            world_size=world_size,
            rank=rank,
            groups=_schema_groups(loaded.encoded) if self.packing == "shared_prefix" else None,
            most_tokens=self.pack_tokens if shuffles else None,
        )
        collators = {"sequence": collate_sequences, "shared_prefix": collate_shared_prefixes}
        return ResumableLoader(
            examples,
            sampler,
            collate_fn=collators.get(self.packing) or partial(collate, pad_token_id=self.tokenizer.pad_token_id),
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=_leave_signals_to_the_run,
        )


def _schema_groups(split: EncodedSplit) -> "array[int]":
    """Number the examples by their schema, in order of first appearance."""
    numbers: dict[int, int] = {}
    return array("i", (numbers.setdefault(key, len(numbers)) for key in schema_keys(split.examples)))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _leave_signals_to_the_run(_: int) -> None:
    """Ignore what a cluster sends to all processes of a job: the run still needs its batches to finish the step."""
    for name in ("SIGTERM", "SIGUSR1", "SIGINT"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
