from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.data import datamodule, token_cache
from text2sql_lightning.data.datamodule import Text2SQLDataModule
from text2sql_lightning.data.encoding import EncodedExample, EncodedSplit, Encoding
from text2sql_lightning.data.token_cache import CachedExamples, cache_key, encode_once, lengths, schema_keys
from text2sql_lightning.tokenizer import load_tokenizer

pytestmark = pytest.mark.unit

EXAMPLES = [
    EncodedExample("a", array("i", [5, 6, 7, 2]), 2, -(2**63)),
    EncodedExample("b", array("i", [5, 8, 2]), 1, 2**63 - 1),
    EncodedExample("c", array("i", [5, 9]), 1, 7),
]


class Encoded(Encoding):
    """An encoding whose examples are given: two lists of them, and an empty one."""

    def __init__(self) -> None:
        self.dropped, self.separated = {}, 0

    def __iter__(self) -> Iterator[list[EncodedExample]]:
        yield from (EXAMPLES[:2], [], EXAMPLES[2:])
        self.dropped, self.separated = {"too_long": 3}, 1


def refuse() -> Encoding:
    raise AssertionError("encoded again")


def check(split: EncodedSplit, *, cached: bool = True) -> None:
    assert isinstance(split.examples, CachedExamples) is cached
    assert (list(split.examples), split.dropped, split.separated) == (EXAMPLES, {"too_long": 3}, 1)
    assert list(lengths(split.examples)) == [4, 3, 2]
    assert list(schema_keys(split.examples)) == [-(2**63), 2**63 - 1, 7]


def test_a_second_start_reads_what_the_first_one_wrote(tmp_path: Path) -> None:
    check(encode_once(tmp_path, "key", Encoded))
    again = encode_once(tmp_path, "key", refuse)
    check(again)
    assert len(again.examples) == 3
    assert again.examples[-1] == EXAMPLES[2]
    assert again.examples[0:2] == EXAMPLES[0:2]
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_an_interrupted_write_leaves_nothing_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(token_cache, "write_json", interrupt)
    with pytest.raises(KeyboardInterrupt):
        encode_once(tmp_path, "key", Encoded)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["counts.json", "examples.arrow"])
def test_a_damaged_cache_is_written_again(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    encode_once(tmp_path, "key", Encoded)
    (tmp_path / "key" / damage).write_bytes(b"")
    check(encode_once(tmp_path, "key", Encoded))
    assert "cannot be read and is written again" in caplog.text
    check(encode_once(tmp_path, "key", refuse))


def test_where_nothing_can_be_written_there_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    check(encode_once(tmp_path / "file", "key", Encoded), cached=False)


def test_the_key_stands_for_all_that_the_ids_depend_on(
    tiny_llama_dir: Path, tiny_mistral_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer, other = load_tokenizer(str(tiny_llama_dir)), load_tokenizer(str(tiny_mistral_dir))
    key = cache_key(tokenizer, data_sha256="a", max_seq_length=9)
    assert key == cache_key(tokenizer, max_seq_length=9, data_sha256="a")
    assert len(key) == 32
    changed = [
        cache_key(tokenizer, data_sha256="b", max_seq_length=9),
        cache_key(tokenizer, data_sha256="a", max_seq_length=8),
        cache_key(other, data_sha256="a", max_seq_length=9),
    ]
    monkeypatch.setattr(token_cache, "prompt_sha256", lambda: "another prompt")
    changed.append(cache_key(tokenizer, data_sha256="a", max_seq_length=9))
    assert len({key, *changed}) == 5


def test_the_data_module_encodes_a_large_file_once(
    tiny_llama_dir: Path, records_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datamodule, "CACHED_FROM", 20)
    path = records_file("train")

    def batches(**settings: Any) -> list[Any]:
        data = Text2SQLDataModule(train_path=str(path), tokenizer=str(tiny_llama_dir), batch_size=4, **settings)
        data.paths["val"] = str(path)
        data.setup("fit")
        return [{**batch, "input_ids": batch["input_ids"].tolist()} for batch in data.train_dataloader()]

    expected = [batch["input_ids"] for batch in batches(token_cache=None)]
    packed = [batch["ids"] for batch in batches(token_cache=None, packing="shared_prefix")]
    assert not (path.parent / ".tokens").exists()
    first = [batch["input_ids"] for batch in batches()]
    monkeypatch.setattr(datamodule, "Encoding", lambda *_, **__: refuse())
    second = [batch["input_ids"] for batch in batches()]
    assert first == second == expected
    assert [batch["ids"] for batch in batches(packing="shared_prefix")] == packed
    assert len(list((path.parent / ".tokens").iterdir())) == 1
