"""Micro-batches, padding and accumulation change nothing: the gradient is that of the mean over target tokens."""

from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer

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


def gradients(
    tiny: Any, path: Any, batch_size: Any, accumulate: Any, packing: Any = "none", kind: Any = Recorded, **settings: Any
) -> Any:
    module = kind(
        base_model=str(tiny.base_model), backend="transformers", quantization="none", lora=LoraSettings(r=4),
        generation=GenerationSettings(max_new_tokens=1), packing=packing, **settings,
    )  # fmt: skip
    data = Text2SQLDataModule(
        train_path=str(path), tokenizer=str(tiny.base_model), batch_size=batch_size, packing=packing
    )
    trainer = Trainer(
        accelerator="cpu", devices=1, max_steps=1, accumulate_grad_batches=accumulate, limit_val_batches=0,
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(module, data)
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


class Cramped(Recorded):
    """Runs out of memory beyond two examples: before the forward pass, or halfway through the backward pass."""

    when = "forward"

    def completion_loss(self, batch: dict[str, Any]) -> Any:
        sums = super().completion_loss(batch)
        eos = batch["target_ids"] if "segments" in batch else batch["labels"]
        if (eos == self.tokenizer.eos_token_id).sum() <= 2:
            return sums
        if self.when == "forward":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        last_layer = self.model.get_base_model().model.layers[-1].mlp.down_proj.lora_A["default"].weight
        last_layer.register_post_accumulate_grad_hook(self.fail_once)
        return sums

    def fail_once(self, weight: torch.Tensor) -> None:
        weight._post_accumulate_grad_hooks.clear()
        assert weight.grad is not None
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


class CrampedBackward(Cramped):
    when = "backward"


@pytest.mark.parametrize("packing", ["none", "sequence", "shared_prefix"])
@pytest.mark.parametrize("kind", [Cramped, CrampedBackward])
def test_out_of_memory_changes_no_gradient(tiny: Any, uneven: Any, whole: Any, kind: Any, packing: Any) -> None:
    parts = gradients(tiny, uneven, 4, 2, packing=packing, kind=kind, gradient_checkpointing=False)
    assert difference(whole.gradients, parts.gradients) < 1e-5
    for name in ("train/loss", "train/target_tokens", "train/token_accuracy", "train/gradient_norm"):
        assert parts.logged[name].item() == pytest.approx(whole.logged[name].item(), rel=1e-5), name
    assert parts.tokens_seen == whole.tokens_seen
    assert parts.out_of_memory_splits in (1, 2)  # the second batch is split beforehand unless it is smaller


def test_gradient_checkpointing_changes_nothing(tiny: Any, uneven: Any, whole: Any) -> None:
    again = gradients(tiny, uneven, 8, 1, gradient_checkpointing=True)
    assert difference(whole.gradients, again.gradients) < 1e-5


def test_the_gradient_is_that_of_an_independent_reference(tiny: Any, uneven: Any, whole: Any) -> None:
    """Full logits of each row alone, without padding, cross_entropy by hand, mean over all targets."""
    module = Recorded(
        base_model=str(tiny.base_model), backend="transformers", quantization="none", lora=LoraSettings(r=4),
        gradient_checkpointing=False,
    )  # fmt: skip
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
