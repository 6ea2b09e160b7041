"""Generation by a model in Unsloth's own layers, which it uses on GPUs alone: here its Triton kernels are interpreted.

Only what has a place for each GPU is given one for the CPU; decoder, layers, attention and the marks are Unsloth's.
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        find_spec("unsloth") is None or find_spec("triton") is None, reason="unsloth or triton is not installed"
    ),
]

SCRIPT = """
import json, os, sys
os.environ["TRITON_INTERPRET"] = "1"
# unsloth_zoo compiles transformers' masks; torch makes an error of inductor's own aliasing warning where CI is set.
os.environ["TORCHDYNAMO_DISABLE"] = "1"
import unsloth
import torch
from importlib import import_module
from types import MethodType
from transformers import AutoModelForCausalLM
from text2sql_lightning.inference.generation import generate_samples
from text2sql_lightning.modeling.settings import GenerationSettings
from text2sql_lightning.text.tokenizer import load_tokenizer

llama = import_module("unsloth.models.llama")
prompts = ["SELECT", "How many singers are there?\\n" * 3, "How many singers are old?", "### Response:\\n"]

def answers(model, base):
    settings = GenerationSettings(max_new_tokens=12, batch_size=3)
    return [answer.raw for (answer,) in generate_samples(model, load_tokenizer(base), prompts, settings)]

def load(base):
    return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="sdpa").eval()

def angles(self, device_index):
    rows = torch.outer(torch.arange(512).float(), self._unsloth_recompute_inv_freq())
    rows = torch.cat((rows, rows), -1)
    self.multi_gpu_cos_cached, self.multi_gpu_sin_cached = {None: rows.cos()}, {None: rows.sin()}

def with_fast_layers(base, patcher):
    # What Unsloth does with a model that it loads on a GPU.
    snapshot = llama._snapshot_transformers_modules(patcher)
    patcher.pre_patch()
    llama._record_pre_patch_changes(snapshot)
    llama._gate_pre_patch_to_unsloth_models(snapshot)
    model = load(base)
    decoder = model.model
    decoder.rotary_emb._ensure_rope_cache = MethodType(angles, decoder.rotary_emb)
    decoder.max_seq_length = 512
    for layer in decoder.layers:
        attention = layer.self_attn
        attention.rotary_emb = decoder.rotary_emb
        attention.apply_qkv, attention.apply_o = llama.original_apply_qkv, llama.original_apply_o
    llama.mark_unsloth_fast_path(model)
    return model

def measure(base, kind, name):
    plain = load(base)
    found = {"plain": answers(plain, base)}
    model = with_fast_layers(base, getattr(import_module(f"unsloth.models.{kind}"), name))
    ids = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])
    with torch.inference_mode():
        fast = model.model(input_ids=ids, use_cache=True)
        found["cache"] = type(fast.past_key_values).__name__
        found["difference"] = (fast.last_hidden_state - plain.model(input_ids=ids).last_hidden_state).abs().max().item()
    found["fast"] = answers(model, base)
    found["marks"] = all(module._unsloth_fast_path for module in model.modules())
    return found

print(json.dumps([measure(*job) for job in json.loads(sys.argv[1])]))
"""


def test_answers_are_those_of_transformers(shell: Any, tiny_llama_dir: Path, tiny_mistral_dir: Path) -> None:
    jobs = [(tiny_llama_dir, "llama", "FastLlamaModel"), (tiny_mistral_dir, "mistral", "FastMistralModel")]
    done = shell("-c", SCRIPT, json.dumps([[str(base), *names] for base, *names in jobs]))
    assert done.returncode == 0, done.stderr[-4000:]
    for found in json.loads(done.stdout.splitlines()[-1]):
        assert found["cache"] == "tuple"  # it is Unsloth's own forward pass, which keeps tuples
        assert found["difference"] < 1e-5
        assert found["fast"] == found["plain"]
        assert any(found["plain"])
        assert found["marks"]
