"""What the GPU tier shares. It drives module and data module through Trainer, without the command: a machine with a GPU
need not have what the callbacks and the evaluation import."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def fit(records_file: Callable[..., Path], tmp_path: Path) -> Callable[..., Any]:
    """Train a few steps: `fit(base_model, precision="bf16-mixed", steps=4, **model settings)` gives the trainer."""

    def run(
        base_model: Path,
        *,
        precision: str,
        steps: int = 4,
        accelerator: str = "gpu",
        packing: str = "none",
        batch_size: int = 4,
        **settings: Any,
    ) -> Any:
        from lightning.pytorch import Callback, Trainer, seed_everything

        from text2sql_lightning.data.datamodule import Text2SQLDataModule
        from text2sql_lightning.modeling.settings import GenerationSettings, LoraSettings
        from text2sql_lightning.module import Text2SQLModule

        class DevicesSeen(Callback):
            """Where the weights are while they are trained; afterwards Lightning moves them to the CPU."""

            def on_train_end(self, trainer: Any, module: Any) -> None:
                self.devices = {parameter.device.type for parameter in module.parameters()}

        seed_everything(42)
        defaults: dict[str, Any] = {
            "backend": "transformers",
            "lora": LoraSettings(r=8),
            "learning_rate": 1e-2,
            "warmup_steps": 0,
            "generation": GenerationSettings(max_new_tokens=8, batch_size=4),
        }
        module = Text2SQLModule(base_model=str(base_model), packing=packing, **(defaults | settings))
        data = Text2SQLDataModule(
            train_path=str(records_file("train", 16)),
            val_path=str(records_file("val", 8)),
            tokenizer=str(base_model),
            batch_size=batch_size,
            packing=packing,
        )
        watched = DevicesSeen()
        trainer = Trainer(
            callbacks=[watched],
            limit_val_batches=0,
            accelerator=accelerator,
            devices=1,
            precision=precision,
            max_steps=steps,
            log_every_n_steps=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            default_root_dir=tmp_path,
        )
        trainer.fit(module, data)
        trainer.devices_seen = watched.devices
        return trainer

    return run
