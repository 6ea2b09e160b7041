"""Formulas against what was measured: on an H100, and in small on this machine."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from bench.step_worker import Cost, Load, draw_examples
from text2sql_lightning.commands.estimate import make_plan, report
from text2sql_lightning.constants import DEFAULT_BASE_MODEL
from text2sql_lightning.errors import ModelError
from text2sql_lightning.modeling.backends import Costs, LoadRequest, get_backend
from text2sql_lightning.modeling.estimate import (
    NF4_BYTES,
    TrainingLoad,
    all_reduce_bytes,
    checkpoint_bytes,
    footprint,
    micro_batch_time,
)
from text2sql_lightning.modeling.model_shape import GPUS, ModelShape, read_shape
from text2sql_lightning.modeling.settings import LoraSettings

pytestmark = pytest.mark.unit

MISTRAL = read_shape(DEFAULT_BASE_MODEL)
MEASURED = json.loads((Path(__file__).parents[3] / "docs" / "gpu_benchmark_h100.json").read_text())["results"]
OURS = [row for row in MEASURED if row["path"].startswith("ours")]


def load_of(row: Any) -> TrainingLoad:
    return TrainingLoad(
        tokens=round(row["distinct_tokens"]),
        targets=row["examples"] * 40,
        costs=get_backend("unsloth" if "unsloth" in row["path"] else "transformers").costs(),
        quantization="nf4",
        value_bytes=2,
        adapter_weights=41_943_040,
        checkpointing="no recompute" not in row["path"],
        eight_bit_optimizer=True,
    )


@pytest.mark.parametrize("row", OURS, ids=lambda row: f"{row['path']} {row['length']}")
def test_memory_is_that_of_the_h100(row: Any) -> None:
    assert footprint(MISTRAL, load_of(row)).total / 2**30 == pytest.approx(row["peak_gib"], rel=0.06)


@pytest.mark.parametrize(
    "row", [row for row in OURS if "shared" not in row["path"]], ids=lambda row: f"{row['path']} {row['length']}"
)
def test_time_is_that_of_the_h100(row: Any) -> None:
    load = load_of(row)
    one = micro_batch_time(MISTRAL, load, 989e12, row["examples"], row["length"])
    assert one.seconds == pytest.approx(row["seconds"], rel=0.06)


@pytest.mark.parametrize(
    "row", [row for row in OURS if "shared" in row["path"]], ids=lambda row: f"{row['path']} {row['length']}"
)
def test_time_of_small_micro_batches_is_roughly_that_of_the_h100(row: Any) -> None:
    """Packs of 2,800 and 4,500 tokens, where the processor that launches kernels counts."""
    load = load_of(row)
    one = micro_batch_time(MISTRAL, load, 989e12, 1, row["distinct_tokens"])
    assert one.seconds == pytest.approx(row["seconds"], rel=0.3)


def test_the_shape_of_mistral_7b() -> None:
    assert MISTRAL.linear_weights + MISTRAL.other_weights == 7_241_732_096
    assert MISTRAL.adapter_weights(16) == 41_943_040
    assert MISTRAL.adapter_weights(8, "all-linear") == 20_971_520
    assert MISTRAL.adapter_weights(16, ["q_proj", "v_proj"]) == 6_815_744


def test_operations_of_a_step() -> None:
    shape = ModelShape(width=8, inner_width=16, layers=2, query_width=8, key_width=4, vocabulary=100, tied=False)
    # two layers of 2 x 8 x (8 + 4) + 3 x 8 x 16 weights, a head of 800, 4 operations each; 12 x 2 x 8 a pair
    assert shape.step_flops(300, 80, 22650) == 4 * (2 * 576 * 300 + 800 * 80) + 192 * 22650
    cost = Cost.of(draw_examples(Load(150, 2, 2), 100, seed=0), shared=False)
    assert (cost.tokens, cost.targets, cost.pairs) == (300, 80, 22650)


def test_weights_and_adapter_of_a_real_model(tiny_llama_dir: Path) -> None:
    """Bytes of a tiny model in NF4 with an adapter: what its tensors take."""
    import torch

    request = LoadRequest(
        base_model=str(tiny_llama_dir),
        quantization="nf4",
        lora=LoraSettings(r=4),
        adapter_path=None,
        trainable=True,
        compute_dtype=torch.float32,
        device=torch.device("cpu"),
        gradient_checkpointing=False,
        max_seq_length=64,
        seed=0,
    )
    model = get_backend("transformers").load(request)
    shape = read_shape(str(tiny_llama_dir))
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trained == shape.adapter_weights(4)
    quantized = [p for p in model.parameters() if type(p).__name__ == "Params4bit"]
    others = sum(p.numel() for p in model.parameters() if not p.requires_grad) - sum(p.numel() for p in quantized)
    assert others == shape.other_weights
    packed = sum(p.data.numel() for p in quantized)
    scales = sum(p.quant_state.absmax.numel() for p in quantized)
    second = sum(4 * p.quant_state.state2.absmax.numel() for p in quantized)
    assert packed * 2 == shape.linear_weights
    # of matrices this small the second level of scales is padded to whole blocks of 256
    assert packed + scales + second == pytest.approx(NF4_BYTES * shape.linear_weights, rel=0.01)


def test_what_travels_and_what_is_kept() -> None:
    assert all_reduce_bytes(1000, 1) == 0
    assert all_reduce_bytes(1000, 4) == 6000
    load = load_of(OURS[0])
    assert checkpoint_bytes(load) == pytest.approx(41_943_040 * 6.03125)


def test_a_new_backend_brings_its_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("new")
    module.BACKEND = SimpleNamespace(costs=lambda: Costs(1.0, 1.0, 1.0, 0.5, 0.001, 0.002))
    monkeypatch.setitem(sys.modules, "text2sql_lightning.modeling.backends.new", module)
    model = SimpleNamespace(
        base_model=DEFAULT_BASE_MODEL,
        backend="new",
        quantization="nf4",
        lora=LoraSettings(),
        optimizer="auto",
        gradient_checkpointing=True,
    )
    config = SimpleNamespace(
        model=model,
        data=SimpleNamespace(batch_size=1, max_seq_length=2048, packing="none"),
        trainer=SimpleNamespace(precision=None, devices=1, num_nodes=1, accumulate_grad_batches=8, max_steps=500),
    )
    plan = make_plan(config, GPUS["h100"])
    assert plan.load.costs == module.BACKEND.costs()
    assert report(plan, GPUS["h100"], 150.0).splitlines()[1].startswith("new backend, ")


def test_a_model_of_another_kind(tmp_path: Path) -> None:
    for kind in ("gpt2", "mixtral"):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": kind, "hidden_size": 4096}))
        with pytest.raises(ModelError, match=f"a model of type {kind} cannot be estimated; llama, mistral, "):
            read_shape(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ModelError, match="has no usable 'hidden_size'"):
        read_shape(str(tmp_path))
