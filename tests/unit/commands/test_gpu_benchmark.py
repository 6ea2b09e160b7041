import pytest

from text2sql_lightning.commands.gpu_benchmark import table
from text2sql_lightning.commands.gpu_benchmark_rows import Cost, Load, draw_examples

pytestmark = pytest.mark.unit


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


def test_table() -> None:
    row = {
        "path": "transformers", "length": 512, "examples": 16, "seconds": 1.0, "distinct_tokens": 8192, "flops": 1e12,
        "peak_gib": 9.25, "loss": 11.0, "gradient_norm": 1.5,
    }  # fmt: skip
    ours = {**row, "path": "ours", "seconds": 0.5, "distinct_tokens": 2048, "flops": 25e10, "peak_gib": None}
    assert table([row, ours], ceiling=1e13).splitlines()[2:] == [
        "| 512 | transformers | 16.00 | 1.00 x | 8192 | 100% | 1.0 | 10% | 9.2 GiB | 11.0000 | 1.5000 |",
        "| 512 | ours | 32.00 | 2.00 x | 16384 | 25% | 0.5 | 5% | - | 11.0000 | 1.5000 |",
    ]
