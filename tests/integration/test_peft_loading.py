"""An adapter is plain peft: it loads without this project and gives the same greedy answers."""

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

# Nothing of this project is imported here.
SCRIPT = """
import json, sys
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base, adapter, prompts, limit = json.loads(sys.argv[1])
tokenizer = AutoTokenizer.from_pretrained(adapter)
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), adapter).eval()
answers = []
for prompt in prompts:
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    with torch.no_grad():
        new = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=limit)
    answers.append(tokenizer.decode(new[0, ids.shape[1] :], skip_special_tokens=True))
assert "text2sql_lightning" not in sys.modules
print(json.dumps(answers))
"""


def test_same_greedy_sql_as_predict(tiny: Any, text2sql: Any, shell: Any, read_lines: Any, tmp_path: Path) -> None:
    """The model has learned enough of its few records that different questions get different answers."""
    learn = [
        "--data.train_path",
        tiny.test,
        "--data.val_path",
        tiny.test,
        "--data.batch_size",
        5,
        "--trainer.max_steps",
        60,
        "--model.learning_rate",
        0.005,
        "--model.gradient_checkpointing",
        "false",
        "--model.lora.r",
        32,
        "--model.lora.alpha",
        64,
        "--trainer.limit_val_batches",
        0,
    ]
    done = text2sql("fit", *tiny.flags(tmp_path), *learn)
    assert done.code == 0, done.err
    limit = 24
    done = text2sql("predict", *tiny.flags(tmp_path), "--ckpt_path", "last", "--model.generation.max_new_tokens", limit)
    assert done.code == 0, done.err
    rows = read_lines(tmp_path / "predict" / "predictions.jsonl")

    records = read_lines(tiny.predict)
    prompts = [
        f"### Instruction:\n{record['instruction']}\n\n### Input:\n{record['input']}\n\n### Response:\n"
        for record in records
    ]
    done = shell("-c", SCRIPT, json.dumps([str(tiny.base_model), str(tmp_path / "adapters"), prompts, limit]))
    assert done.returncode == 0, done.stderr[-3000:]
    answers = json.loads(done.stdout.splitlines()[-1])
    assert len(set(answers)) > 1  # the model answers the questions, not one sentence to all of them
    for answer, row in zip(answers, rows, strict=True):
        assert answer.startswith(row["raw"])  # predict may stop earlier: at the first complete statement
        assert row["raw"] == answer or row["raw"].rstrip().endswith(";")
