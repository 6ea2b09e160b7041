"""Micro-batches, padding and accumulation change nothing: the gradient is that of the mean over target tokens."""

import itertools
import math
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.tuner import Tuner

from text2sql_lightning.data.datamodule import Text2SQLDataModule
from text2sql_lightning.modeling.settings import GenerationSettings, LoraSettings
from text2sql_lightning.module import Text2SQLModule

pytestmark = pytest.mark.integration


class Recorded(Text2SQLModule):
    """Keeps the gradients that the optimizer is given, and takes no step with them."""

    gradients = None
    logged = None

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
    ) -> Any:
        self.gradients = {name: p.grad.clone() for name, p in self.named_parameters() if p.grad is not None}
        self.logged = dict(self.trainer.callback_metrics)


def made(tiny: Any, path: Any, batch_size: int, packing: str = "none", **settings: Any) -> Any:
    module = Recorded(
        base_model=str(tiny.base_model),
        backend="transformers",
        quantization="none",
        lora=LoraSettings(r=4),
        generation=GenerationSettings(max_new_tokens=1),
        packing=packing,
        **settings,
    )
    data = Text2SQLDataModule(
        train_path=str(path), val_path=str(path), tokenizer=str(tiny.base_model), batch_size=batch_size, packing=packing
    )
    return module, data


def trainer_of(accumulate: int = 1, **settings: Any) -> Trainer:
    return Trainer(
        accelerator="cpu",
        devices=1,
        accumulate_grad_batches=accumulate,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        **{"max_steps": 1, **settings},
    )


def gradients(tiny: Any, path: Any, batch_size: int, accumulate: int, **settings: Any) -> Any:
    module, data = made(tiny, path, batch_size, **settings)
    trainer_of(accumulate).fit(module, data)
    return module


@pytest.fixture(scope="module")
def whole(tiny: Any, uneven: Any) -> Any:
    """One batch of all eight."""
    return gradients(tiny, uneven, 8, 1, gradient_checkpointing=False)


def difference(one: Any, other: Any) -> Any:
    flat = [torch.cat([tensor.flatten() for tensor in part.values()]) for part in (one, other)]
    return ((flat[0] - flat[1]).norm() / flat[0].norm()).item()


@pytest.mark.parametrize(("batch_size", "accumulate"), [(2, 4), (1, 8), (4, 2), (3, 3)])
def test_micro_batches_give_the_gradient_of_one_batch(
    tiny: Any, uneven: Any, whole: Any, batch_size: Any, accumulate: Any
) -> None:
    parts = gradients(tiny, uneven, batch_size, accumulate, gradient_checkpointing=False)
    assert set(parts.gradients) == set(whole.gradients)
    assert len(whole.gradients) == 2 * 7 * 2
    assert difference(whole.gradients, parts.gradients) < 1e-5
    for name in ("train/loss", "train/target_tokens", "train/token_accuracy", "train/gradient_norm"):
        assert parts.logged[name].item() == pytest.approx(whole.logged[name].item(), rel=1e-5), name
    assert parts.tokens_seen == whole.tokens_seen
    assert parts.target_tokens_seen == whole.target_tokens_seen == whole.logged["train/target_tokens"].item()


def test_gradient_checkpointing_changes_nothing(tiny: Any, uneven: Any, whole: Any) -> None:
    again = gradients(tiny, uneven, 8, 1, gradient_checkpointing=True)
    assert difference(whole.gradients, again.gradients) < 1e-5


def test_the_gradient_is_that_of_an_independent_reference(tiny: Any, uneven: Any, whole: Any) -> None:
    """Full logits of each row alone, without padding, cross_entropy by hand, mean over all targets."""
    module = Recorded(
        base_model=str(tiny.base_model),
        backend="transformers",
        quantization="none",
        lora=LoraSettings(r=4),
        gradient_checkpointing=False,
    )
    module.configure_model()
    data = Text2SQLDataModule(train_path=str(uneven), tokenizer=str(tiny.base_model), batch_size=1)
    data.setup("fit")
    total, targets = torch.zeros(()), 0
    for batch in data.train_dataloader():
        logits = module.model(input_ids=batch["input_ids"]).logits[0]
        for position, label in enumerate(batch["labels"][0].tolist()):
            if label != -100:
                total = total - torch.log_softmax(logits[position - 1], -1)[label]
                targets += 1
    (total / targets).backward()
    reference = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
    assert whole.logged["train/target_tokens"].item() == targets
    assert whole.logged["train/loss"].item() == pytest.approx((total / targets).item(), rel=1e-5)
    assert difference(reference, whole.gradients) < 1e-5


def test_a_padded_batch_is_its_rows_alone(tiny: Any, uneven: Any) -> None:
    module = Recorded(base_model=str(tiny.base_model), backend="transformers", quantization="none")
    module.configure_model()
    data = Text2SQLDataModule(train_path=str(uneven), tokenizer=str(tiny.base_model), batch_size=8)
    data.setup("fit")
    (batch,) = list(data.train_dataloader())
    with torch.no_grad():
        padded = module.completion_loss(batch)
        rows = []
        for index, length in enumerate(batch["attention_mask"].sum(1).tolist()):
            row = {key: batch[key][index : index + 1, :length] for key in ("input_ids", "labels")}
            rows.append(module.completion_loss(row))
    assert batch["attention_mask"].min() == 0
    assert padded.loss_sum.item() == pytest.approx(sum(row.loss_sum.item() for row in rows), rel=1e-5)
    assert padded.num_targets.item() == sum(row.num_targets.item() for row in rows) == batch["num_target_tokens"]


class Losses(Callback):
    """What any callback reads."""

    def __init__(self) -> None:
        self.seen: list[float] = []
        self.targets: list[int] = []

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.seen.append(outputs["loss"].item())
        self.targets.append(batch["num_target_tokens"])


@pytest.mark.parametrize("packing", ["none", "shared_prefix"])
def test_callbacks_read_the_mean_loss_of_each_micro_batch(tiny: Any, uneven: Any, whole: Any, packing: str) -> None:
    """Divided by their number, as Lightning does; weighted by their targets they are the loss of the step."""
    losses = Losses()
    module, data = made(tiny, uneven, 2, packing)
    trainer_of(4, callbacks=[losses]).fit(module, data)
    assert len(losses.seen) == 4
    assert len(set(losses.targets)) > 1
    mean = sum(4 * loss * count for loss, count in zip(losses.seen, losses.targets, strict=True)) / sum(losses.targets)
    assert mean == pytest.approx(whole.logged["train/loss"].item(), rel=1e-5)


def test_the_learning_rate_finder_sees_the_loss(
    tiny: Any, uneven: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recorded, "configure_gradient_clipping", Text2SQLModule.configure_gradient_clipping)
    module, data = made(tiny, uneven, 8)
    trainer = trainer_of(check_val_every_n_epoch=1000, default_root_dir=tmp_path)
    found = Tuner(trainer).lr_find(module, datamodule=data, min_lr=1e-4, max_lr=1.0, num_training=16)
    assert found is not None
    assert found.suggestion() is not None
    sums = [loss * (1 - 0.98 ** (step + 2)) / 0.02 for step, loss in enumerate(found.results["loss"])]  # smoothed
    losses = [one - 0.98 * before for before, one in itertools.pairwise([0.0, *sums])]
    assert losses[0] == pytest.approx(math.log(512), abs=0.3)  # a random model of 512 tokens
    assert min(losses) < losses[0] - 0.3
