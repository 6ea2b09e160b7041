import gzip
import hashlib
import json
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer

from text2sql_lightning.data.datamodule import Text2SQLDataModule
from text2sql_lightning.data.records import Record
from text2sql_lightning.errors import ConfigError, DataError, ModelError

pytestmark = pytest.mark.unit

RecordsFile = Callable[..., Path]


@pytest.fixture
def make_data(tiny_llama_dir: Path, records_file: RecordsFile) -> Callable[..., Text2SQLDataModule]:
    def make(**settings: Any) -> Text2SQLDataModule:
        paths = {"train_path": str(records_file("train")), "val_path": str(records_file("val", 10))}
        return Text2SQLDataModule(**{**paths, "tokenizer": str(tiny_llama_dir), "batch_size": 4, **settings})

    return make


def ids(loader: Any) -> list[list[str]]:
    return [batch["ids"] for batch in loader]


def test_the_constructor_reads_nothing() -> None:
    data = Text2SQLDataModule(train_path="no/such/file.jsonl", tokenizer="no/such/model")
    assert data.file_sha256("train") is None
    with pytest.raises(DataError, match=r"no/such/file\.jsonl"):
        data.setup("fit")


def test_fit_reads_train_and_val_only(make_data: Callable[..., Text2SQLDataModule]) -> None:
    data = make_data(test_path="no/such/file.jsonl")
    data.setup("fit")
    assert (data.num_examples("train"), data.num_examples("val")) == (24, 10)
    assert data.dropped("train") == {}
    assert [record.id for record in data.records("val")][:2] == ["sqlcc-val-000001", "sqlcc-val-000002"]
    content = Path(str(data.paths["train"])).read_bytes()
    assert data.file_sha256("train") == hashlib.sha256(content).hexdigest()
    assert data.file_sha256("test") is None


def test_setup_twice_reads_once(make_data: Callable[..., Text2SQLDataModule]) -> None:
    data = make_data()
    data.setup("fit")
    records = data.records("train")
    data.setup("fit")
    data.setup("validate")
    assert data.records("train") is records


def test_training_batches(make_data: Callable[..., Text2SQLDataModule]) -> None:
    data = make_data()
    data.setup("fit")
    loader = data.train_dataloader()
    batches = list(loader)
    assert len(loader) == len(batches) == 6
    assert sorted(id for batch in batches for id in batch["ids"]) == [record.id for record in data.records("train")]
    first = batches[0]
    row = first["input_ids"][0][first["labels"][0] != -100].tolist()
    sql = {record.id: record.output for record in data.records("train")}[first["ids"][0]]
    assert data.tokenizer.decode(row) == f"{sql}<|im_end|>"
    assert first["num_target_tokens"] == int((first["labels"] != -100).sum())


def test_batches_are_the_same_with_any_number_of_workers(make_data: Callable[..., Text2SQLDataModule]) -> None:
    alone, helped = make_data(), make_data(num_workers=2)
    alone.setup("fit")
    helped.setup("fit")
    for left, right in zip(alone.train_dataloader(), helped.train_dataloader(), strict=True):
        assert left["ids"] == right["ids"]
        assert torch.equal(left["input_ids"], right["input_ids"])


def test_another_seed_gives_other_batches(make_data: Callable[..., Text2SQLDataModule]) -> None:
    first, again, other = make_data(seed=1), make_data(seed=1), make_data(seed=2)
    for data in (first, again, other):
        data.setup("fit")
    assert ids(first.train_dataloader()) == ids(again.train_dataloader())
    assert ids(first.train_dataloader()) != ids(other.train_dataloader())
    assert ids(first.val_dataloader()) == ids(first.val_dataloader())


def test_evaluation_has_its_own_batch_size(make_data: Callable[..., Text2SQLDataModule]) -> None:
    data = make_data(eval_batch_size=5)
    data.setup("validate")
    assert [len(batch) for batch in ids(data.val_dataloader())] == [5, 5]


def test_a_sample_is_seeded_and_in_order(make_data: Callable[..., Text2SQLDataModule]) -> None:
    chosen = []
    for seed in (1, 1, 2):
        data = make_data(max_train_examples=7, max_val_examples=100, seed=seed)
        data.setup("fit")
        assert (data.num_examples("train"), data.num_examples("val")) == (7, 10)
        chosen.append([record.id for record in data.records("train")])
    assert chosen[0] == chosen[1] != chosen[2]
    assert chosen[0] == sorted(chosen[0])


def test_too_long_records_are_counted_but_kept_for_generation(make_data: Callable[..., Text2SQLDataModule]) -> None:
    data = make_data()
    data.setup("fit")
    longest = max(len(example.input_ids) for example in data._splits["train"].encoded.examples)
    shorter = make_data(max_seq_length=longest - 1)
    shorter.setup("fit")
    dropped = shorter.dropped("train")["too_long"]
    assert 0 < dropped < 24
    assert shorter.num_examples("train") == 24 - dropped
    assert len(shorter.records("train")) == 24
    with pytest.raises(DataError, match=r"none of the 24 records is left .* data\.max_seq_length is 5, raise it"):
        make_data(max_seq_length=5).setup("fit")


def test_predict_yields_records_in_order(tiny_llama_dir: Path, records_file: RecordsFile) -> None:
    path = records_file("test", 7, with_output=False)
    data = Text2SQLDataModule(predict_path=str(path), tokenizer="never/loaded", eval_batch_size=3)
    data.setup("predict")
    batches = list(data.predict_dataloader())
    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert [record for batch in batches for record in batch] == data.records("predict")
    assert isinstance(batches[0][0], Record)
    assert batches[0][0].output is None
    assert (data.num_examples("predict"), data.dropped("predict")) == (7, {})


def test_every_process_has_its_share(
    make_data: Callable[..., Text2SQLDataModule], records_file: RecordsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_data(predict_path=str(records_file("test", 7)))
    data.setup()
    shares: dict[str, list[list[str]]] = {"train": [], "val": [], "predict": []}
    for rank in (0, 1, 2):
        monkeypatch.setattr(data, "trainer", SimpleNamespace(global_rank=rank, world_size=3))
        shares["train"].append([id for batch in ids(data.train_dataloader()) for id in batch])
        shares["val"].append([id for batch in ids(data.val_dataloader()) for id in batch])
        shares["predict"].append([record.id for batch in data.predict_dataloader() for record in batch])
    joined = {split: list(chain.from_iterable(parts)) for split, parts in shares.items()}
    assert sorted(joined["train"]) == [record.id for record in data.records("train")]
    assert sorted(joined["val"]) == [record.id for record in data.records("val")]
    assert joined["predict"] == [record.id for record in data.records("predict")]
    assert [len(share) for share in shares["predict"]] == [2, 2, 3]


def test_fewer_examples_than_processes(
    make_data: Callable[..., Text2SQLDataModule], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_data(max_val_examples=2)
    data.setup("fit")
    monkeypatch.setattr(data, "trainer", SimpleNamespace(global_rank=0, world_size=3))
    with pytest.raises(DataError, match=r"gives 2 examples for 3 processes; .* set trainer\.devices to 2 or fewer"):
        data.val_dataloader()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("test_dataloader", r"data\.test_path is not set; give a \.jsonl file of records"),
        ("val_dataloader", r"data\.val_path is not set; .*, or set trainer\.limit_val_batches to 0"),
    ],
)
def test_a_missing_split_is_named(make_data: Callable[..., Text2SQLDataModule], call: str, message: str) -> None:
    data = make_data(val_path=None)
    data.setup("fit")
    with pytest.raises(DataError, match=message):
        getattr(data, call)()


def test_a_split_before_setup_is_an_error(make_data: Callable[..., Text2SQLDataModule]) -> None:
    with pytest.raises(DataError, match=r"the train records have not been read yet; call setup\(\) first"):
        make_data().train_dataloader()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "data.batch_size is 0; it must be at least 1"),
        ({"eval_batch_size": 0}, "data.eval_batch_size is 0; it must be at least 1"),
        ({"max_seq_length": 1}, "data.max_seq_length is 1; it must be at least 2"),
        ({"num_workers": -1}, "data.num_workers is -1; it must be at least 0"),
        ({"max_test_examples": -1}, "data.max_test_examples is -1; it must be at least 1, or null for all"),
        ({"max_val_examples": 0}, "data.max_val_examples is 0; it must be at least 1, or null for all"),
    ],
)
def test_settings_out_of_range(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Text2SQLDataModule(**settings)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_a_tokenizer_that_is_not_there(make_data: Callable[..., Text2SQLDataModule]) -> None:
    with pytest.raises(ModelError, match="checkpoints/nope: there is no such folder"):
        make_data(tokenizer="checkpoints/nope").setup("fit")


def test_compressed_records(make_data: Callable[..., Text2SQLDataModule], tmp_path: Path) -> None:
    packed = tmp_path / "train.jsonl.gz"
    data = make_data()
    packed.write_bytes(gzip.compress(Path(str(data.paths["train"])).read_bytes()))
    data = make_data(train_path=str(packed))
    data.setup("fit")
    assert data.num_examples("train") == 24
    assert data.file_sha256("train") == hashlib.sha256(packed.read_bytes()).hexdigest()


class Silent(LightningModule):
    """Writes down the ids of every batch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: dict[str, list[str]] = {"train": [], "val": [], "predict": []}

    def training_step(self, batch: dict[str, Any]) -> torch.Tensor:
        self.seen["train"] += batch["ids"]
        return self.weight.sum()

    def validation_step(self, batch: dict[str, Any]) -> None:
        self.seen["val"] += batch["ids"]

    def predict_step(self, batch: list[Record]) -> None:
        self.seen["predict"] += [record.id for record in batch]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.filterwarnings("ignore")
def test_inside_a_trainer(make_data: Callable[..., Text2SQLDataModule], records_file: RecordsFile) -> None:
    data, model = make_data(predict_path=str(records_file("test", 5, with_output=False))), Silent()
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=2,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(model, data)
    trainer.predict(model, data)
    train_ids = [record.id for record in data.records("train")]
    assert sorted(model.seen["train"][:24]) == sorted(model.seen["train"][24:]) == train_ids
    assert model.seen["train"][:24] != model.seen["train"][24:]
    assert sorted(model.seen["val"]) == sorted([record.id for record in data.records("val")] * 2)
    assert model.seen["predict"] == [record.id for record in data.records("predict")]


@pytest.mark.filterwarnings("ignore")
def test_training_without_validation(make_data: Callable[..., Text2SQLDataModule]) -> None:
    data, model = make_data(val_path=None), Silent()
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=1,
        limit_val_batches=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(model, data)
    assert len(model.seen["train"]) == 24
    assert model.seen["val"] == []


@pytest.mark.parametrize(
    ("train", "val", "both"), [(True, True, True), (False, False, False), (True, False, False), (True, None, None)]
)
def test_whether_the_records_were_decontaminated(
    tiny_llama_dir: Path, records_file: Callable[..., Path], train: Any, val: Any, both: Any
) -> None:
    paths = {}
    for split, flag in (("train", train), ("val", val)):
        paths[f"{split}_path"] = path = records_file(split, 4)
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(row | {"meta": {"decontaminated": flag}}) + "\n" for row in rows))
    data = Text2SQLDataModule(tokenizer=str(tiny_llama_dir), **{key: str(path) for key, path in paths.items()})
    assert data.decontaminated() is None
    data.setup("fit")
    assert data.decontaminated() is both


@pytest.mark.parametrize("packing", ["sequence", "shared_prefix"])
def test_packs_of_so_many_tokens(make_data: Callable[..., Text2SQLDataModule], packing: str) -> None:
    def loader() -> Any:
        data = make_data(packing=packing, pack_tokens=1000, max_seq_length=512)
        data.setup("fit")
        return data.train_dataloader()

    whole = list(loader())
    assert len({name for batch in whole for name in batch["ids"]}) == sum(len(batch["ids"]) for batch in whole) == 24
    assert max(batch["position_ids"].numel() for batch in whole) <= 1000
    first = loader()
    batches = iter(first)
    next(batches)
    resumed = loader()
    resumed.load_state_dict(first.state_dict())
    assert ids(resumed) == [batch["ids"] for batch in whole[1:]]


@pytest.mark.parametrize(("packing", "most"), [("none", 1000), ("sequence", 511)])
def test_packs_that_cannot_be(make_data: Callable[..., Text2SQLDataModule], packing: str, most: int) -> None:
    with pytest.raises(ConfigError) as refused:
        make_data(packing=packing, pack_tokens=most, max_seq_length=512)
    assert str(refused.value) == (
        f"data.pack_tokens is {most} with data.packing {packing} and data.max_seq_length 512: it needs sequence or "
        "shared_prefix, and room for the longest example"
    )
