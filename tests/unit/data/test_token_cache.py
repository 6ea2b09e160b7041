import pickle
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.data import datamodule, records, token_cache
from text2sql_lightning.data.datamodule import Text2SQLDataModule
from text2sql_lightning.data.encoding import EncodedExample, EncodedSplit, Encoding
from text2sql_lightning.data.token_cache import CachedExamples, cache_key, encode_once, lengths, schema_keys
from text2sql_lightning.text.tokenizer import load_tokenizer

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


class Refused(Encoded):
    """An encoding that nobody may start."""

    def __iter__(self) -> Iterator[list[EncodedExample]]:
        raise AssertionError("encoded again")


def check(split: EncodedSplit, *, cached: bool = True) -> None:
    assert isinstance(split.examples, CachedExamples) is cached
    assert (list(split.examples), split.dropped, split.separated) == (EXAMPLES, {"too_long": 3}, 1)
    assert list(lengths(split.examples)) == [4, 3, 2]
    assert list(schema_keys(split.examples)) == [-(2**63), 2**63 - 1, 7]


def test_a_second_start_reads_what_the_first_one_wrote(tmp_path: Path) -> None:
    check(encode_once(tmp_path, "key", Encoded()))
    again = encode_once(tmp_path, "key", Refused())
    check(again)
    assert len(again.examples) == 3
    assert again.examples[-1] == EXAMPLES[2]
    assert again.examples[0:2] == EXAMPLES[0:2]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "key"]


def test_another_process_maps_the_file_instead_of_getting_a_copy(tmp_path: Path) -> None:
    examples = encode_once(tmp_path, "key", Encoded()).examples
    pickled = pickle.dumps(examples)
    assert len(pickled) < 300 + len(str(tmp_path))
    assert list(pickle.loads(pickled)) == EXAMPLES


def test_an_interrupted_write_leaves_nothing_to_read(tmp_path: Path) -> None:
    class Interrupted(Encoded):
        def __iter__(self) -> Iterator[list[EncodedExample]]:
            yield EXAMPLES[:2]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_once(tmp_path, "key", Interrupted())
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    left = tmp_path / ".key.123.tmp"  # what a killed process leaves
    left.mkdir()
    check(encode_once(tmp_path, "key", Encoded()))
    assert not left.exists()


def test_the_one_that_comes_later_finds_what_the_other_has_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Held:
        """A lock that another process had: meanwhile it has encoded."""

        def __init__(self, path: Path) -> None:
            self.path = path

        def __enter__(self) -> None:
            monkeypatch.undo()
            check(encode_once(tmp_path, "key", Encoded()))

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr("filelock.FileLock", Held)
    check(encode_once(tmp_path, "key", Refused()))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("counts.json", lambda content: b""),
        ("counts.json", lambda content: b"[]"),
        ("examples.arrow", lambda content: b""),
        (
            "examples.arrow",
            lambda content: content[: content.rindex(b"\xff\xff\xff\xff", 0, -8)],
        ),  # without its last batch
    ],
)
def test_a_damaged_cache_is_written_again(
    tmp_path: Path, name: str, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    encode_once(tmp_path, "key", Encoded())
    path = tmp_path / "key" / name
    path.write_bytes(damage(path.read_bytes()))
    check(encode_once(tmp_path, "key", Encoded()))
    assert "cannot be read and is written again" in caplog.text
    check(encode_once(tmp_path, "key", Refused()))


def test_where_nothing_can_be_written_there_is_no_cache(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("no folder")
    check(encode_once(tmp_path / "file", "key", Encoded()), cached=False)
    assert f"token ids are not kept in {tmp_path}/file, and the next start encodes again" in caplog.text


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
    for module in (datamodule, records):
        monkeypatch.setattr(module, "LARGE", 20)
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
    monkeypatch.setattr(datamodule, "Encoding", lambda *_: Refused())
    second = [batch["input_ids"] for batch in batches()]
    assert first == second == expected
    assert [batch["ids"] for batch in batches(packing="shared_prefix")] == packed
    assert len(list((path.parent / ".tokens").iterdir())) == 2  # the cache and the lock
    workers = batches(packing="shared_prefix", num_workers=2)
    assert [batch["ids"] for batch in workers] == packed
