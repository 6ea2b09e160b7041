"""Our part of the training benchmark: one epoch through Text2SQLModule and Trainer, in a process of its own."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from processes import peak_mib

LEARNING_RATE = 1e-9
"""So small that every step sees the same weights, and losses can be compared."""


def main(job: dict[str, Any]) -> None:
    """Train and measure.

    Args:
        job: model, records (a file), quantization, batch_size, packing, r,
            precision, out; with `only_order` nothing is trained,
            and the order of the ids is written instead.
    """
    from lightning.pytorch import Callback, Trainer, seed_everything

    from text2sql_lightning.data.datamodule import Text2SQLDataModule
    from text2sql_lightning.modeling.settings import LoraSettings
    from text2sql_lightning.module import Text2SQLModule

    seed_everything(42)
    data = Text2SQLDataModule(
        train_path=job["records"], tokenizer=job["model"], batch_size=job["batch_size"], packing=job["packing"],
        max_seq_length=2048,
    )  # fmt: skip
    if job["only_order"]:
        data.setup("fit")
        batches = list(data.train_dataloader())
        _write(job["out"], {"ids": [b["ids"] for b in batches], "targets": [b["num_target_tokens"] for b in batches]})
        return
    times: list[float] = []
    work: list[dict[str, int]] = []
    sums: list[tuple[float, int]] = []

    class Clock(Callback):
        """Seconds of each step, and what it computed."""

        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
            self.started = time.perf_counter()

        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            times.append(time.perf_counter() - self.started)
            sums.append((float(trainer.callback_metrics["train/loss"]), batch["num_target_tokens"]))
            positions = batch.get("position_ids")
            if positions is not None:
                pairs = int((positions + 1).sum())
                work.append({"tokens": positions.numel(), "targets": batch["num_target_tokens"], "pairs": pairs})

    module = Text2SQLModule(
        base_model=job["model"], backend="transformers", quantization=job["quantization"],
        lora=LoraSettings(r=job["r"], alpha=job["r"]), learning_rate=LEARNING_RATE, warmup_steps=0,
        gradient_checkpointing=False, packing=job["packing"], max_seq_length=2048,
    )  # fmt: skip
    trainer = Trainer(
        accelerator="cpu", devices=1, precision=job["precision"], max_epochs=1, limit_val_batches=0,
        callbacks=[Clock()],
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        use_distributed_sampler=False, log_every_n_steps=1,
    )  # fmt: skip
    trainer.fit(module, data)
    targets = sum(count for _, count in sums)
    result = {
        "seconds": times,
        "loss": sum(loss * count for loss, count in sums) / targets,
        "work": work,
        "peak_mib": peak_mib(),
    }
    _write(job["out"], result)


def _write(path: str, result: dict[str, Any]) -> None:
    Path(path).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
