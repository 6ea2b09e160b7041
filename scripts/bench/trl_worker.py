"""TRL's SFTTrainer on prompts and completions of a file, as its documentation shows it: the peer of `make bench`.

Runs in an environment of its own, without this project. Writes step times, losses and the peak memory.
"""

import json
import resource
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any


def main(job: dict[str, Any]) -> None:
    """Train and measure.

    Args:
        job: model, rows (JSON lines of prompt and completion), quantization, batch_size, steps, warm_up, r,
            learning_rate, out.
    """
    import torch
    import transformers
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, TrainerCallback

    trl: Any = import_module("trl")
    rows = [json.loads(line) for line in Path(job["rows"]).read_text(encoding="utf-8").splitlines()]
    quantization = None
    if job["quantization"] == "nf4":
        describe: Any = BitsAndBytesConfig
        quantization = describe(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.float32, quantization_config=quantization)
    times: list[float] = []

    class Clock(TrainerCallback):
        """Seconds of each optimizer step."""

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.started = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            times.append(time.perf_counter() - self.started)

    projections = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    trainer = trl.SFTTrainer(
        model=model,
        processing_class=AutoTokenizer.from_pretrained(job["model"]),
        train_dataset=Dataset.from_list(rows),
        peft_config=LoraConfig(r=job["r"], lora_alpha=job["r"], target_modules=projections, task_type="CAUSAL_LM"),
        args=trl.SFTConfig(
            output_dir=job["out"] + ".trl", per_device_train_batch_size=job["batch_size"],
            max_steps=job["warm_up"] + job["steps"], learning_rate=job["learning_rate"], logging_steps=1,
            lr_scheduler_type="constant", completion_only_loss=True, max_length=2048, packing=False,
            gradient_checkpointing=False, use_cpu=True, bf16=False, report_to=[], save_strategy="no",
            train_sampling_strategy="sequential" if job["sorted"] else "random", disable_tqdm=True, seed=42,
        ),
        callbacks=[Clock()],
    )  # fmt: skip
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    result = {
        "seconds": times, "losses": losses, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "versions": {"trl": trl.__version__, "transformers": transformers.__version__, "torch": torch.__version__},
    }  # fmt: skip
    Path(job["out"]).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
