"""Records become token ids: a prompt, then the completion that the model has to learn.

The boundary is a length, not a search: the first `prompt_length` ids are exactly what generation starts from, and
everything behind them is a target. A completion is never encoded alone, because `SELECT` at the start of a text and
`SELECT` after a newline can be different tokens; it is what follows ids(prompt) in ids(prompt + SQL).
"""

import logging
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from text2sql_lightning.errors import DataError
from text2sql_lightning.text.prompts import build_prompt
from text2sql_lightning.text.tokenizer import encode_texts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from text2sql_lightning.data.records import Record

logger = logging.getLogger(__name__)

TOO_LONG: Final = "too_long"
NO_BOUNDARY: Final = "no_token_boundary"

_CHUNK = 1000
_ANCHORS = (":", ")", "x", "\n")


@dataclass(frozen=True)
class EncodedExample:
    """One record as token ids.

    Attributes:
        id: Of the record.
        input_ids: Prompt, completion and EOS, in one 32-bit integer array.
        prompt_length: How many of the ids belong to the prompt; the rest are targets, at least one.
        schema_key: 64 bits of a hash of the schema's text: equal where records have the same schema.
    """

    id: str
    input_ids: "array[int]"
    prompt_length: int
    schema_key: int = 0

    @property
    def num_target_tokens(self) -> int:
        """Completion tokens, EOS included."""
        return len(self.input_ids) - self.prompt_length


@dataclass(frozen=True)
class EncodedSplit:
    """The examples of a split, and how many records did not become one.

    Attributes:
        examples: In the order of the records.
        dropped: Number of records left out, by reason.
        separated: Records whose prompt and completion would have shared a token and were encoded apart.
    """

    examples: Sequence[EncodedExample]
    dropped: dict[str, int]
    separated: int = 0


def encode_example(
    tokenizer: "PreTrainedTokenizerBase", record: "Record", max_seq_length: int
) -> EncodedExample | None:
    """Encode one record; None where it has more than `max_seq_length` tokens, EOS included: it is never cut.

    Raises:
        DataError: The record has no output.
    """
    return _encode_chunk(tokenizer, [record], max_seq_length, Counter())[0]


class Encoding:
    """Encodes the records of a split, some at a time, with a progress bar where that takes more than two seconds.

    Iterating gives lists of examples; a DataError is raised where a record has no output, or no record is left.

    Args:
        tokenizer: A tokenizer from `load_tokenizer`.
        records: Records with an output.
        max_seq_length: The most tokens that prompt, completion and EOS may have together; longer ones are left out.
        name: What the records are, for messages: a file or a split.

    Attributes:
        dropped: As in `EncodedSplit`, after the last list.
        separated: Likewise.
    """

    def __init__(
        self, tokenizer: "PreTrainedTokenizerBase", records: Sequence["Record"], max_seq_length: int, name: str
    ) -> None:
        self.dropped: dict[str, int] = {}
        self.separated = 0
        self._tokenizer, self._records, self._longest, self._name = tokenizer, records, max_seq_length, name

    def __iter__(self) -> Iterator[list[EncodedExample]]:
        from tqdm import tqdm

        counts: Counter[str] = Counter()
        total, left = len(self._records), 0
        with tqdm(total=total, desc=f"encode {self._name}", unit="record", delay=2.0, leave=False) as progress:
            for start in range(0, total, _CHUNK):
                chunk = self._records[start : start + _CHUNK]
                encoded = _encode_chunk(self._tokenizer, chunk, self._longest, counts)
                examples = [example for example in encoded if example]
                left += len(examples)
                yield examples
                progress.update(len(chunk))
        self.separated = counts.pop("separated", 0)
        self.dropped = dict(sorted(counts.items()))
        if not total:
            raise DataError(f"{self._name}: there are no records; an empty file cannot be trained on or scored")
        if not left:
            raise DataError(
                f"{self._name}: none of the {total} records is left ({self.dropped}); data.max_seq_length is "
                f"{self._longest}, raise it"
            )
        if self.dropped:
            what = f"{total - left} of {total} records left out: {self.dropped} (max_seq_length {self._longest})"
            logger.warning("%s: %s", self._name, what)


def in_memory(encoding: Encoding) -> EncodedSplit:
    """Encode all that there is to encode."""
    examples = [example for chunk in encoding for example in chunk]
    return EncodedSplit(examples, encoding.dropped, encoding.separated)


def _encode_chunk(
    tokenizer: "PreTrainedTokenizerBase", records: Sequence["Record"], max_seq_length: int, counts: Counter[str]
) -> list[EncodedExample | None]:
    for record in records:
        if not record.output:
            raise DataError(f"record {record.id} has no output; training and scoring need the SQL of every record")
    completions = [str(record.output) for record in records]
    prompts = [build_prompt(record.instruction, record.input) for record in records]
    prompt_ids = encode_texts(tokenizer, prompts)
    full_ids = encode_texts(tokenizer, [prompt + sql for prompt, sql in zip(prompts, completions, strict=True)])
    examples: list[EncodedExample | None] = []
    for record, head, full, completion in zip(records, prompt_ids, full_ids, completions, strict=True):
        tail: list[int] | None = full[len(head) :]
        if full[: len(head)] != head:
            tail = _continuation(tokenizer, completion)
            counts["separated" if tail else NO_BOUNDARY] += 1
        if not tail:
            examples.append(None)
        elif len(head) + len(tail) + 1 > max_seq_length:
            counts[TOO_LONG] += 1
            examples.append(None)
        else:
            ids = array("i", [*head, *tail, tokenizer.eos_token_id])
            schema = blake2b(record.context.encode(), digest_size=8).digest()
            examples.append(EncodedExample(record.id, ids, len(head), int.from_bytes(schema, "big", signed=True)))
    return examples


def _continuation(tokenizer: "PreTrainedTokenizerBase", completion: str) -> list[int] | None:
    """Encode a completion as it looks behind other text, where its first token would merge with the prompt's last."""
    heads = encode_texts(tokenizer, _ANCHORS)
    fulls = encode_texts(tokenizer, [anchor + completion for anchor in _ANCHORS])
    for head, full in zip(heads, fulls, strict=True):
        if full[: len(head)] == head and len(full) > len(head):
            return full[len(head) :]
    return None
