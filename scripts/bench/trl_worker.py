"""SFTTrainer on prompts and completions of a file, as TRL's and Unsloth's guides show it: the peers of `make bench`.

Runs in an environment of its own, without this project. Writes step times, losses and the peak memory.
"""

import json
import resource
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def main(job: dict[str, Any]) -> None:
    """Train and measure.

    Args:
        job: peer ("trl", or "unsloth", whose trainer is TRL's with its own patches), model, rows (JSON lines of prompt
            and completion), quantization, batch_size, micro_batch (examples at a time), steps, warm_up, r,
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
    loaded = (_load_unsloth if versions else _load)(job, torch.bfloat16 if in_bf16 else torch.float32)
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
            output_dir=job["out"] + ".trl", per_device_train_batch_size=job["micro_batch"],
            gradient_accumulation_steps=job["batch_size"] // job["micro_batch"],
            max_steps=job["warm_up"] + job["steps"], learning_rate=job["learning_rate"], logging_steps=1,
            lr_scheduler_type="constant", completion_only_loss=True, max_length=2048, packing=False,
            gradient_checkpointing=False, use_cpu=True, bf16=in_bf16, report_to=[], save_strategy="no",
            train_sampling_strategy="sequential" if job["sorted"] else "random", disable_tqdm=True, seed=42,
        ),
        callbacks=[Clock()],
    )  # fmt: skip
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    versions |= {"trl": trl.__version__, "transformers": transformers.__version__, "torch": torch.__version__}
    result = {
        "seconds": times, "losses": losses, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "versions": versions,
    }  # fmt: skip
    Path(job["out"]).write_text(json.dumps(result), encoding="utf-8")


def _load(job: dict[str, Any], dtype: Any) -> dict[str, Any]:
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    quantization = None
    if job["quantization"] == "nf4":
        describe: Any = BitsAndBytesConfig
        quantization = describe(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
        )
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=dtype, quantization_config=quantization)
    lora = LoraConfig(r=job["r"], lora_alpha=job["r"], target_modules=PROJECTIONS, task_type="CAUSAL_LM")
    return {"model": model, "peft_config": lora}


def _load_unsloth(job: dict[str, Any], dtype: Any) -> dict[str, Any]:
    fast: Any = import_module("unsloth").FastLanguageModel
    model, _ = fast.from_pretrained(
        job["model"], max_seq_length=2048, dtype=dtype, load_in_4bit=job["quantization"] == "nf4",
        device_map={"": "cpu"}, use_gradient_checkpointing=False,
    )  # fmt: skip
    model = fast.get_peft_model(
        model, r=job["r"], lora_alpha=job["r"], target_modules=PROJECTIONS, use_gradient_checkpointing=False,
        random_state=42,
    )  # fmt: skip
    return {"model": model}


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
