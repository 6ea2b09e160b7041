import logging
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.data.encoding import EncodedSplit, Encoding, encode_example, in_memory
from text2sql_lightning.data.records import Record, read_records
from text2sql_lightning.errors import DataError
from text2sql_lightning.text.prompts import INSTRUCTION, build_prompt, format_input
from text2sql_lightning.text.tokenizer import encode_prompt, load_tokenizer

pytestmark = pytest.mark.unit

CONTEXT = "CREATE TABLE singer (name VARCHAR, age INTEGER)"


def record(output: str | None, question: str = "Who sings?", id: str = "r1") -> Record:
    return Record(id, INSTRUCTION, format_input(CONTEXT, question), output)


def encode_records(tokenizer: Any, records: list[Record], limit: int, name: str = "records") -> EncodedSplit:
    return in_memory(Encoding(tokenizer, records, limit, name))


@pytest.fixture(scope="module", params=["tiny_llama_dir", "tiny_mistral_dir"])
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return load_tokenizer(str(request.getfixturevalue(request.param)))


@pytest.fixture(scope="module")
def mistral(tiny_mistral_dir: Path) -> Any:
    return load_tokenizer(str(tiny_mistral_dir))


@pytest.mark.parametrize(
    "output",
    ["SELECT name FROM singer", "SELECT a", "WITH x AS (SELECT 1)\nSELECT *\n  FROM x", "SELECT '</s><|im_end|> é'"],
)
def test_an_example_is_the_prompt_the_sql_and_eos(tokenizer: Any, output: str) -> None:
    example = encode_example(tokenizer, record(output), 512)
    assert example is not None
    head, tail = example.input_ids[: example.prompt_length], example.input_ids[example.prompt_length :]
    prompt = build_prompt(INSTRUCTION, record(output).input)
    assert list(head) == encode_prompt(tokenizer, prompt)
    assert list(example.input_ids[:-1]) == tokenizer(prompt + output, split_special_tokens=True)["input_ids"]
    assert tail[-1] == tokenizer.eos_token_id
    assert tokenizer.eos_token_id not in example.input_ids[:-1]
    assert tokenizer.decode(list(tail[:-1])) == output
    assert example.num_target_tokens == len(tail)
    assert isinstance(example.input_ids, array)
    assert example.input_ids.itemsize == 4


def test_the_completion_has_the_tokens_it_has_behind_a_newline(mistral: Any) -> None:
    example = encode_example(mistral, record("SELECT a"), 512)
    assert example is not None
    pieces = mistral.convert_ids_to_tokens(list(example.input_ids))
    assert pieces[:2] == ["<s>", "▁###"]
    assert pieces[example.prompt_length - 3 :] == ["▁Response", ":", "<0x0A>", "SELECT", "▁a", "</s>"]
    assert mistral.convert_ids_to_tokens(encode_prompt(mistral, "SELECT a")) == ["<s>", "▁SE", "LECT", "▁a"]
    assert pieces.count("<s>") == 1


@pytest.mark.parametrize("output", ["\nSELECT name", "\n\n SELECT name", "  SELECT name", "\tSELECT 1"])
def test_the_prompt_stays_whole_where_sql_starts_with_space(tokenizer: Any, output: str) -> None:
    example = encode_example(tokenizer, record(output), 512)
    assert example is not None
    prompt_ids = encode_prompt(tokenizer, build_prompt(INSTRUCTION, record(output).input))
    assert list(example.input_ids[: example.prompt_length]) == prompt_ids
    assert tokenizer.decode(list(example.input_ids[example.prompt_length : -1])).strip() == output.strip()


def test_records_encoded_apart_are_counted() -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: index for index, token in enumerate([*alphabet, "ĊĊ", "</s>", "<pad>"])}
    backend = Tokenizer(models.BPE(vocab, [("Ċ", "Ċ")]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", pad_token="<pad>")
    split = encode_records(tokenizer, [record("\n SELECT 1", id="a"), record("SELECT 1", id="b")], 999)
    first, second = split.examples
    assert (split.separated, split.dropped) == (1, {})
    assert first.prompt_length == second.prompt_length
    assert tokenizer.decode(list(first.input_ids[first.prompt_length :])) == "\n SELECT 1</s>"


def test_the_limit_counts_every_token_and_nothing_is_cut(tokenizer: Any) -> None:
    example = encode_example(tokenizer, record("SELECT name FROM singer"), 512)
    assert example is not None
    length = len(example.input_ids)
    assert encode_example(tokenizer, record("SELECT name FROM singer"), length) == example
    assert encode_example(tokenizer, record("SELECT name FROM singer"), length - 1) is None


def test_too_long_records_are_counted_and_reported(tokenizer: Any, caplog: pytest.LogCaptureFixture) -> None:
    records = [record("SELECT 1", id="short"), record("SELECT 1", "why " * 300, id="long")]
    with caplog.at_level(logging.WARNING):
        split = encode_records(tokenizer, records, 256, name="train.jsonl")
    assert [example.id for example in split.examples] == ["short"]
    assert split.dropped == {"too_long": 1}
    assert "train.jsonl: 1 of 2 records left out: {'too_long': 1} (max_seq_length 256)" in caplog.text


def test_many_records_are_the_same_as_one_at_a_time(tokenizer: Any, records_file: Callable[..., Path]) -> None:
    records = read_records(records_file("train", 40))
    split = encode_records(tokenizer, records, 512)
    assert split.examples == [encode_example(tokenizer, item, 512) for item in records]
    assert split.dropped == {}


def test_nothing_left_is_an_error(tokenizer: Any) -> None:
    with pytest.raises(
        DataError, match=r"t.jsonl: none of the 1 records is left \(\{'too_long': 1\}\); .* is 8, raise it"
    ):
        encode_records(tokenizer, [record("SELECT 1")], 8, name="t.jsonl")
    with pytest.raises(DataError, match=r"t\.jsonl: there are no records"):
        encode_records(tokenizer, [], 512, name="t.jsonl")


@pytest.mark.parametrize("output", [None, ""])
def test_a_record_without_sql_is_an_error(tokenizer: Any, output: str | None) -> None:
    with pytest.raises(DataError, match="record r1 has no output"):
        encode_example(tokenizer, record(output), 512)
