"""SFTTrainer on prompts and completions of a file, as TRL's and Unsloth's guides show it: the peers of `make bench`.

Runs in an environment that lacks most packages of this project. Writes step times, losses and the peak memory.
"""

import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from peers import load_transformers, load_unsloth, lora_config

from text2sql_lightning.runs.run_meta import peak_memory_bytes


def main(job: dict[str, Any]) -> None:
    """Train and measure.

    Args:
        job: peer ("trl", or "unsloth", whose trainer is TRL's with its own patches), model, rows (JSON lines of prompt
            and completion), quantization, batch_size, micro_batch (examples at a time), steps, r,
            learning_rate, precision, float32_products (torch's matmul precision), out.
    """
    # Unsloth first, or its patches are lost.
    versions = {"unsloth": import_module("unsloth").__version__} if job["peer"] == "unsloth" else {}
    import torch
    import transformers
    from datasets import Dataset
    from transformers import AutoTokenizer, TrainerCallback

    trl: Any = import_module("trl")
    torch.set_float32_matmul_precision(job["float32_products"])
    rows = [json.loads(line) for line in Path(job["rows"]).read_text(encoding="utf-8").splitlines()]
    in_bf16 = job["precision"] == "bf16-mixed"
    nf4, dtype = job["quantization"] == "nf4", torch.bfloat16 if in_bf16 else torch.float32
    if versions:
        loaded = {"model": load_unsloth(job["model"], r=job["r"], nf4=nf4, dtype=dtype, max_length=2048)}
    else:
        model = load_transformers(job["model"], nf4=nf4, dtype=dtype)
        loaded = {"model": model, "peft_config": lora_config(job["r"])}
    times: list[float] = []

    class Clock(TrainerCallback):
        """Seconds of each optimizer step."""

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.started = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            times.append(time.perf_counter() - self.started)

    trainer = trl.SFTTrainer(
        **loaded,
        processing_class=AutoTokenizer.from_pretrained(job["model"]),
        train_dataset=Dataset.from_list(rows),
        args=trl.SFTConfig(
            output_dir=job["out"] + ".trl",
            per_device_train_batch_size=job["micro_batch"],
            gradient_accumulation_steps=job["batch_size"] // job["micro_batch"],
            max_steps=job["steps"],
            learning_rate=job["learning_rate"],
            logging_steps=1,
            lr_scheduler_type="constant",
            completion_only_loss=True,
            max_length=2048,
            packing=False,
            gradient_checkpointing=False,
            use_cpu=True,
            bf16=in_bf16,
            report_to=[],
            save_strategy="no",
            train_sampling_strategy="sequential",
            disable_tqdm=True,
            seed=42,
        ),
        callbacks=[Clock()],
    )
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    versions |= {"trl": trl.__version__, "transformers": transformers.__version__, "torch": torch.__version__}
    result = {"seconds": times, "losses": losses, "peak_mib": peak_memory_bytes() / 2**20, "versions": versions}
    Path(job["out"]).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
