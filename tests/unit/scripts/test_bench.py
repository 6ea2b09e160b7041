"""What the benchmark scripts work out from what was measured; the measuring itself is `make bench`."""

import importlib
import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from bench.step_worker import Cost, Load, draw_examples
from text2sql_lightning.errors import ConfigError

pytestmark = pytest.mark.unit

BENCH = Path(__file__).parents[3] / "scripts" / "bench"
RESULT = {
    "ours": 2.5,
    "peer": 1.25,
    "ratio": 2.0,
    "n": 48,
    "memory_ratio": 0.5,
    "machine": "a machine",
    "rounds": {"ours": [2.25, 2.5, 2.75], "peer": [1.0, 1.25, 1.5]},
    "peak_mib": {"ours": 2000.4, "peer": 4000.8},
    "share_of_ceiling": 0.663,
    "gemm_gflops": 207.6,
}
LINE = (
    "| training: rows, nf4 | 48 | 2.50 (2.25 - 2.75) | 1.25 (1.00 - 1.50) | 2.00 x | 2000, 4001 MiB | 0.50 x "
    "| 66% of 208 GFLOP/s |"
)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a benchmark script as a module."""
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module


def test_a_comparison_is_a_line_of_the_table(bench: Any) -> None:
    assert bench("report").peer_table({"training: rows, nf4": RESULT}).splitlines()[2:] == [LINE]


def test_a_measured_part_replaces_the_one_before_and_nothing_else(bench: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- measured: bench -->\n\nold\n\n<!-- /measured: bench -->\nafter\n")
    (tmp_path / "images").mkdir()
    (tmp_path / "bench.json").write_text(json.dumps({"training: rows, nf4": RESULT}))
    bench("report")._run(Namespace(page=page, reports=tmp_path))
    lines = page.read_text().splitlines()
    assert lines[:2] == ["before", "<!-- measured: bench -->"]
    assert lines[-2:] == ["<!-- /measured: bench -->", "after"]
    assert LINE in lines
    assert "a machine:" in lines
    assert "old" not in lines
    assert (tmp_path / "images" / "bench.png").stat().st_size > 0


@pytest.mark.parametrize(
    "text", ["", "<!-- measured: bench -->\n", "<!-- /measured: bench -->\n<!-- measured: bench -->"]
)
def test_a_page_without_a_place_for_the_part(bench: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=r"page\.md has no lines <!-- measured: bench -->"):
        bench("report").replace_part(text, "bench", "new", Path("page.md"))


def test_shares_are_those_of_each_round(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's speed drifts: a round is held against the ceiling that was measured in it."""
    training = bench("training")
    monkeypatch.setattr(training, "_flops", lambda model, work: 6e11)
    setting = training.Setting("rows, nf4", [None] * 16, 8, "nf4", "32-true", "trl")
    ours = [
        {"seconds": [9.0, seconds], "peak_mib": 100.0, "work": [{}, {}], "loss": 1.0} for seconds in (4.0, 6.0, 8.0)
    ]
    theirs = [{"seconds": [9.0, 12.0], "peak_mib": 400.0, "versions": {"trl": "1.5.1"}}] * 3
    options = Namespace(model=Path("model"), peer_micro_batch=8, peer_float32_products="highest")
    found = training._summary(setting, ours, theirs, 1.0, [2e11, 1.25e11, 1e11], options)
    assert found["shares"] == pytest.approx([0.75, 0.8, 0.75])
    assert (found["share_of_ceiling"], found["gemm_gflops"]) == (pytest.approx(0.75), 125.0)
    assert found["rounds"] == {"ours": pytest.approx([2.0, 8 / 6, 1.0]), "peer": pytest.approx([8 / 12] * 3)}
    assert found["ratio"] == pytest.approx(2.0)
    assert found["memory_ratio"] == 0.25


def test_every_kind_is_compared_in_every_precision(bench: Any) -> None:
    names = [
        bench("training")._name("rows", quantization, precision, peer)
        for quantization in ("nf4", "none")
        for precision in ("32-true", "bf16-mixed")
        for peer in ("trl", "unsloth")
    ]
    assert names == [
        "rows, nf4",
        "rows, nf4, beside Unsloth",
        "rows, nf4, bf16",
        "rows, nf4, bf16, beside Unsloth",
        "rows, none",
        "rows, none, beside Unsloth",
        "rows, none, bf16",
        "rows, none, bf16, beside Unsloth",
    ]


def test_steps_by_length_and_questions_per_schema(bench: Any) -> None:
    seconds = {
        "transformers": 8.0,
        "ours, transformers": 4.0,
        "ours, transformers, shared": 1.6,
        "ours, transformers, shared, no recompute": 1.25,
    }
    results = [
        {"path": path, "length": 128, "per_schema": 4, "seconds": value, "distinct_tokens": 512}
        for path, value in seconds.items()
    ]
    assert bench("sharing").table({"results": results}).splitlines()[2:] == [
        "| 128 | 4 | 50% | 8.0 s | 4.0 s | 1.6 s | 1.2 s | 2.5 x | 5.0 x |"
    ]


def test_examples_of_a_step() -> None:
    examples = draw_examples(Load(length=200, examples=4, per_schema=2), vocabulary=100, seed=1)
    assert [len(example.input_ids) for example in examples] == [200] * 4
    assert [example.num_target_tokens for example in examples] == [40] * 4
    first, second, third, _ = (list(example.input_ids) for example in examples)
    assert first[:100] == second[:100]
    assert first[:30] == third[:30]
    assert first[:100] != third[:100]
    assert draw_examples(Load(200, 4, 2), 100, seed=1) == examples


def test_what_a_step_costs() -> None:
    examples = draw_examples(Load(length=150, examples=2, per_schema=2), vocabulary=100, seed=0)
    separate, shared = Cost.of(examples, shared=False), Cost.of(examples, shared=True)
    assert separate == Cost(tokens=300, targets=80, pairs=2 * 150 * 151 // 2)
    assert shared.targets == 80
    assert 150 + 40 < shared.tokens < 300


def test_table_of_the_gpu_benchmark(bench: Any) -> None:
    row = {
        "path": "transformers",
        "length": 512,
        "examples": 16,
        "seconds": 1.0,
        "distinct_tokens": 8192,
        "flops": 1e12,
        "peak_gib": 9.25,
        "loss": 11.0,
        "gradient_norm": 1.5,
    }
    ours = {**row, "path": "ours", "seconds": 0.5, "distinct_tokens": 2048, "flops": 25e10, "peak_gib": None}
    assert bench("gpu_benchmark").table([row, ours], ceiling=1e13).splitlines()[2:] == [
        "| 512 | transformers | 16.00 | 1.00 x | 8192 | 100% | 1.0 | 10% | 9.2 GiB | 11.0000 | 1.5000 |",
        "| 512 | ours | 32.00 | 2.00 x | 16384 | 25% | 0.5 | 5% | - | 11.0000 | 1.5000 |",
    ]
