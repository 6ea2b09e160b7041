"""Text2SQLModule: the loss, its logging, the optimizer and the trainable-only checkpoint."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor
from torchmetrics import MeanMetric

from text2sql_lightning.constants import DEFAULT_BASE_MODEL
from text2sql_lightning.errors import ModelError, RunError
from text2sql_lightning.inference.generation import Generation
from text2sql_lightning.inference.generator import BuiltinEngine, Generator
from text2sql_lightning.modeling.backends import LoadRequest, ModelBackend
from text2sql_lightning.modeling.decoder import base_of
from text2sql_lightning.modeling.loss import Batch, CompletionLoss, completion_loss, named_out_of_memory
from text2sql_lightning.modeling.model_shape import model_flops_utilization
from text2sql_lightning.modeling.optim import build_optimizer, build_schedule
from text2sql_lightning.modeling.settings import (
    Backend,
    BackendName,
    GenerationSettings,
    LoraSettings,
    OptimizerName,
    Packing,
    Quantization,
    ScheduleName,
    check_lora,
    check_numbers,
)
from text2sql_lightning.text.prompts import build_prompt, prompt_sha256, split_input

if TYPE_CHECKING:
    from lightning.pytorch.utilities.types import OptimizerLRScheduler
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LOSS_UNIT: Final = 64.0
"""What is back-propagated is a micro-batch's sum of token losses over this constant, which is near 1: float16 gradients
neither vanish nor overflow. The division by the target tokens of the whole step follows at its end."""

_DTYPES: Final = {"bf16": torch.bfloat16, "16": torch.float16, "32": torch.float32, "64": torch.float64}


class Text2SQLModule(LightningModule):
    """A causal language model with LoRA adapters, trained on the completion tokens alone.

    Args:
        base_model: Hub name or local folder of the base model.
        adapter_path: A saved adapter: `fit` goes on training it, the other commands score it.
        backend: How the base model is loaded: `unsloth`, `transformers`, or `auto`: Unsloth where it is installed and
            there is a GPU.
        quantization: How the base weights are kept: 4-bit `nf4`, `int8`, or `none`.
        lora: The adapter; null for the bare base model.
        learning_rate: Peak learning rate.
        warmup_steps: Optimizer steps over which the learning rate rises.
        weight_decay: Decoupled weight decay of the adapter weights.
        optimizer: `adamw`, `paged_adamw_8bit` (CUDA), or `auto`: the paged one on CUDA.
        schedule: The learning rate after the warm-up: `constant`, or down to 0 as `linear` or `cosine`.
        gradient_checkpointing: Recompute activations in the backward pass: less memory, about a third more time.
        generation: How SQL is generated for validation and prediction.
        max_seq_length: Longest sequence in tokens; follows `data.max_seq_length`.
        packing: How batches are laid out; follows `data.packing`.
        seed: Seeds the adapter's initial weights; follows `seed_everything`.
    """

    # The checkpoint holds the trainable weights only; on_load_checkpoint checks that it holds all of them.
    strict_loading = False
    _backend: ModelBackend

    def __init__(
        self,
        base_model: str = DEFAULT_BASE_MODEL,
        adapter_path: str | None = None,
        backend: Backend = "auto",
        quantization: Quantization = "nf4",
        lora: LoraSettings | None = LoraSettings(),  # noqa: B008  (the parser shows its fields as the defaults)
        learning_rate: float = 2e-4,
        warmup_steps: int = 50,
        weight_decay: float = 0.0,
        optimizer: OptimizerName = "auto",
        schedule: ScheduleName = "constant",
        gradient_checkpointing: bool = True,
        generation: GenerationSettings = GenerationSettings(),  # noqa: B008
        max_seq_length: int = 2048,
        packing: Packing = "none",
        seed: int = 42,
    ) -> None:
        super().__init__()
        check_lora(lora)
        check_numbers(generation, learning_rate, warmup_steps, weight_decay, max_seq_length)
        self.base_model = base_model
        self.adapter_path = adapter_path
        self.backend = backend
        self.quantization = quantization
        self.lora = lora
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.weight_decay = weight_decay
        self.optimizer_name = optimizer
        self.schedule = schedule
        self.gradient_checkpointing = gradient_checkpointing
        self.generation = generation
        self.max_seq_length = max_seq_length
        self.packing = packing
        self.seed = seed
        self.model: PreTrainedModel = None  # type: ignore[assignment]  # until configure_model
        self.tokenizer: PreTrainedTokenizerBase = None  # type: ignore[assignment]
        self.backend_name: BackendName | None = None
        self.tokens_seen = 0
        self.target_tokens_seen = 0
        self._step_tokens = 0
        self._step_sums: list[CompletionLoss] = []
        self._val_loss = MeanMetric()
        self._val_accuracy = MeanMetric()

    def configure_model(self) -> None:
        """Load the tokenizer and the model on this rank's device. Called again, it does nothing."""
        if self.backend_name is not None:
            return
        fitting = self._trainer is None or self.trainer.state.fn == "fit"
        request = LoadRequest(
            base_model=self.base_model,
            quantization=self.quantization,
            compute_dtype=_DTYPES[str(self.trainer.precision).split("-")[0]] if self._trainer else torch.float32,
            device=self.trainer.strategy.root_device if self._trainer else self.device,
            lora=self.lora,
            adapter_path=Path(self.adapter_path) if self.adapter_path else None,
            trainable=fitting,
            gradient_checkpointing=self.gradient_checkpointing and fitting,
            max_seq_length=self.max_seq_length,
            seed=self.seed,
            packing=self.packing,
        )
        engine = BuiltinEngine.load(request, self.backend, setting="model.base_model")
        self.model, self.tokenizer = engine.model, engine.tokenizer
        self._backend, self.backend_name = engine.backend, engine.backend_name
        self._generator = Generator(engine, self.generation)
        if fitting:
            self._backend.for_training(self.model)
            trained = sum(weight.numel() for weight in self._trained().values()) / 1e6
            rank_zero_info(
                f"{self.backend_name} backend, {self.quantization}: training {trained:.1f} M adapter weights"
            )

    def completion_loss(self, batch: Batch) -> CompletionLoss:
        """Sum the loss over the target tokens of a pack or a right-padded batch."""
        return completion_loss(self.model, batch, self._backend.pack_arguments)

    def on_train_epoch_start(self) -> None:
        """Put the model into training mode, also after a validation that generated."""
        self._backend.for_training(self.model)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the mean loss over the target tokens of a micro-batch."""
        with named_out_of_memory():
            sums = self.completion_loss(batch)
        self._step_tokens += batch["num_tokens"]
        self._step_sums.append(sums.detach())
        return sums.loss_sum / sums.num_targets

    def backward(self, loss: Tensor, *args: object, **kwargs: object) -> None:
        """Add the gradient of the micro-batch's sum of losses, so that a token counts the same in every micro-batch."""
        targets = self._step_sums[-1].num_targets
        with named_out_of_memory():
            super().backward(loss * (targets * self.trainer.accumulate_grad_batches / LOSS_UNIT), *args, **kwargs)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Divide the gradients by the target tokens of the whole step: all its micro-batches on all ranks.

        Lightning averages the losses of micro-batches and DDP those of ranks, which gives a token of a short answer
        more weight than one of a long answer.

        Raises:
            RunError: The loss is not finite. The weights are still those of the step before.
        """
        local = torch.stack([torch.stack([part.double() for part in sums]) for sums in self._step_sums]).sum(0)
        self._step_sums.clear()
        loss_sum, targets, correct = self.trainer.strategy.reduce(local, reduce_op="sum").tolist()
        self._check_finite(loss_sum / targets, "the loss")
        gradients = [p.grad for p in self.parameters() if p.grad is not None]
        torch._foreach_mul_(gradients, LOSS_UNIT * self.trainer.world_size / targets)
        self.target_tokens_seen += int(targets)
        self.tokens_seen += self._step_tokens
        self._step_tokens = 0
        self.log("train/loss", loss_sum / targets, prog_bar=True)
        self.log("train/token_accuracy", correct / targets)
        self.log("train/target_tokens", targets)
        self.log("train/gradient_norm", torch.nn.utils.get_total_norm(gradients))
        self.log("train/learning_rate", optimizer.param_groups[0]["lr"])

    def on_validation_model_eval(self) -> None:
        """Put the model into inference mode."""
        self._backend.for_inference(self.model)
        super().on_validation_model_eval()

    def on_validation_model_train(self) -> None:
        """Put the model back into training mode."""
        super().on_validation_model_train()
        self._backend.for_training(self.model)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add a batch to the loss and the token accuracy."""
        self._evaluation_step(batch, "val")

    def on_validation_epoch_end(self) -> None:
        """Raise a RunError for a loss that is not finite, before the broken weights are saved over good ones."""
        if self.trainer.state.fn == "fit":
            self._check_finite(self._val_loss.compute().item(), "the validation loss")

    def _check_finite(self, loss: float, name: str) -> None:
        if not math.isfinite(loss):
            raise RunError(
                f"{name} is {loss} at step {self.global_step}: the last checkpoint is kept; lower "
                "model.learning_rate, raise model.warmup_steps, or set trainer.gradient_clip_val"
            )

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Add a batch to the loss and the token accuracy."""
        self._evaluation_step(batch, "test")

    def _evaluation_step(self, batch: Batch, stage: str) -> None:
        sums = self.completion_loss(batch)
        self._val_loss.update(sums.loss_sum / sums.num_targets, weight=sums.num_targets)
        self._val_accuracy.update(sums.num_correct / sums.num_targets, weight=sums.num_targets)
        self.log(f"{stage}/loss", self._val_loss, on_epoch=True, prog_bar=True, batch_size=len(batch["ids"]))
        self.log(f"{stage}/token_accuracy", self._val_accuracy, on_epoch=True, batch_size=len(batch["ids"]))

    def predict_step(self, batch: list[Any], batch_idx: int) -> list[dict[str, object]]:
        """Answer the records of a batch."""
        answers = self.generate([build_prompt(record.instruction, record.input) for record in batch])
        return [
            {"id": record.id, "question": split_input(record.input)[1], "gold": record.output}
            | {"predicted": answer.sql, "raw": answer.raw, "num_tokens": answer.num_tokens}
            for record, answer in zip(batch, answers, strict=True)
        ]

    def generate(self, prompts: list[str], progress: bool = False) -> list[Generation]:
        """Answer prompts with SQL, as `model.generation` says."""
        return self._generator.generate(prompts, progress=progress)

    def _trained(self) -> dict[str, torch.nn.Parameter]:
        return {name: weight for name, weight in self.named_parameters() if weight.requires_grad}

    def configure_optimizers(self) -> "OptimizerLRScheduler":
        """Return the optimizer over the trainable weights, and its schedule, stepped after each optimizer step."""
        trained = self._trained()
        if not trained or self.lora is None:
            raise ModelError("model.lora null: there is no weight to train; leave model.lora out to train an adapter")
        name, ratio = self.optimizer_name, self.lora.lr_ratio
        optimizer = build_optimizer(trained.items(), name, self.learning_rate, self.weight_decay, ratio)
        total = int(self.trainer.estimated_stepping_batches)
        schedule = build_schedule(optimizer, self.schedule, self.warmup_steps, total)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def flops_utilization(self, tokens: float, targets: float, pairs: float, seconds: float) -> float | None:
        """Return the share of the GPU's peak that training used; see `model_flops_utilization`."""
        shape = base_of(self.model).config.to_dict()
        return model_flops_utilization(shape, self.device, tokens, targets, pairs, seconds)

    def identity(self) -> dict[str, object]:
        """Describe what a checkpoint of this module belongs to, in plain values."""
        return {
            "base_model": self.base_model,
            "quantization": self.quantization,
            "lora": asdict(self.lora) if self.lora else None,
            "prompt_sha256": prompt_sha256(),
            "learning_rate": self.learning_rate,
            "weight_decay": self.weight_decay,
            "optimizer": self.optimizer_name,
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the trainable weights alone, with what they belong to."""
        trained = self._trained()
        checkpoint["state_dict"] = {name: w for name, w in checkpoint["state_dict"].items() if name in trained}
        counters = {"tokens_seen": self.tokens_seen, "target_tokens_seen": self.target_tokens_seen}
        checkpoint["text2sql"] = self.identity() | counters

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the counters; raise a ModelError if the checkpoint holds other weights than this model has."""
        saved = checkpoint.get("text2sql", {})
        self.tokens_seen = saved.get("tokens_seen", 0)
        self.target_tokens_seen = saved.get("target_tokens_seen", 0)
        own = {name for name, _ in self.named_parameters() if "lora_" in name}
        if own != set(checkpoint["state_dict"]):
            raise ModelError(
                f"ckpt_path: the checkpoint holds {len(checkpoint['state_dict'])} adapter weights of "
                f"{saved.get('base_model', 'an unknown base model')}, this model has {len(own)}: give the base model "
                "and the model.lora settings that it was trained with"
            )
