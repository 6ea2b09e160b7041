"""Training speed on a GPU: a model of Mistral-7B's shape in 4 bits, our paths, plain transformers, Unsloth.

Needs nothing from a network: the weights are random. Each library runs in a process of its own, on the same rows.
"""

import json
import platform
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentDefaultsHelpFormatter, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from common import markdown_table, versions_of

from text2sql_lightning.commands.console import OneLineParser, run_command
from text2sql_lightning.errors import ConfigError, RunError
from text2sql_lightning.files.atomic import write_json

LOADS: Final = ((512, 16, 4), (2048, 8, 4))
"""Tokens of an example, examples of a step, examples that ask of one schema."""
_PACKAGES: Final = ("torch", "transformers", "peft", "bitsandbytes", "lightning", "unsloth", "triton")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see `--help`."""
    parser = OneLineParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("--out", type=Path, default=Path("reports/gpu_benchmark.json"), help="all step times; and a picture, .png")
    add("--libraries", nargs="+", choices=("transformers", "unsloth"), default=["transformers", "unsloth"])
    add("--layers", type=int, default=32, help="of the model: 32 is Mistral-7B")
    add("--steps", type=int, default=8, help="timed optimizer steps of each path")
    add("--allow_cpu", action="store_true", help="run a tiny model without a GPU, to try the script itself")
    args = parser.parse_args(argv)
    return run_command(lambda: _run(args))


def _run(args: Namespace) -> int:
    import torch

    cuda = torch.cuda.is_available()
    if not cuda and not args.allow_cpu:
        raise ConfigError("gpu_benchmark: there is no CUDA GPU here; --allow_cpu tries the script with a tiny model")
    device = torch.cuda.get_device_name() if cuda else platform.processor() or "CPU"
    versions = versions_of(*_PACKAGES)
    print(f"{device}; " + ", ".join(f"{name} {number}" for name, number in versions.items()))
    ceiling = gemm_flops(8192) if cuda else gemm_flops(512)
    print(f"matrix products of {'8192 in bfloat16' if cuda else '512 in float32'}: {ceiling / 1e12:.1f} TFLOP/s")
    lines = args.out.with_suffix(".jsonl")  # grows with each path, and stays where the script is stopped
    lines.parent.mkdir(parents=True, exist_ok=True)
    lines.unlink(missing_ok=True)
    failed = _time_libraries(args, LOADS if cuda else ((120, 4, 2),), lines, tiny=not cuda)
    results = [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []
    if not results:
        raise RunError("gpu_benchmark: no path could be timed: see the lines above")
    report = {"device": device, "versions": versions, "layers": args.layers, "gemm_flops": ceiling, "results": results}
    write_json(args.out, report)
    draw(results, args.out.with_suffix(".png"))
    print("\n" + table(results, ceiling))
    return 1 if failed else 0


def _time_libraries(args: Namespace, loads: Sequence[Sequence[int]], lines: Path, *, tiny: bool) -> list[str]:
    """Time each library; return those that failed."""
    failed = []
    with tempfile.TemporaryDirectory() as model:
        started = time.perf_counter()
        make_model(Path(model), 2 if tiny else args.layers, tiny)
        print(f"random weights written in {time.perf_counter() - started:.0f} s", flush=True)
        for library in args.libraries:
            print(f"{library}:", flush=True)
            if code := time_steps(library, model, loads, lines, steps=args.steps):
                print(f"  {library} ended with exit code {code}", flush=True)
                failed.append(library)
    return failed


def time_steps(
    library: str, model: str | Path, loads: Sequence[Sequence[int]], lines: Path, *, steps: int, warm_up: int = 2
) -> int:
    """Add a line for each path of a library and load to a file, in a process of its own; return its exit code."""
    command = [sys.executable, str(Path(__file__).with_name("step_worker.py")), "--library", library, "--model", model]
    command += ["--loads", json.dumps(loads), "--steps", str(steps), "--warm_up", str(warm_up), "--out", str(lines)]
    return subprocess.run(command, check=False).returncode


def gemm_flops(size: int, repeats: int = 20) -> float:
    """Measure the rate of square matrix products, on random numbers, in FLOP/s: bfloat16 on a GPU, else float32."""
    import torch
    from step_worker import finish

    cuda = torch.cuda.is_available()
    settings: dict[str, Any] = {"device": "cuda" if cuda else "cpu", "dtype": torch.bfloat16 if cuda else torch.float32}
    left, right = torch.randn(size, size, **settings), torch.randn(size, size, **settings)
    for _ in range(3):
        left @ right
    finish()
    started = time.perf_counter()
    for _ in range(repeats):
        left @ right
    finish()
    return 2.0 * size**3 * repeats / (time.perf_counter() - started)


def make_model(folder: Path, layers: int, tiny: bool) -> None:
    """Write a Mistral with random weights, made on the GPU where there is one, and a tokenizer that spells bytes."""
    import torch
    from transformers import AutoModelForCausalLM, MistralConfig

    small: dict[str, Any] = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    }
    config = MistralConfig(
        vocab_size=32000,
        num_hidden_layers=layers,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        sliding_window=None,
        **(small if tiny else {}),
    )
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model: Any = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder, max_shard_size="4GB")
    _byte_tokenizer().save_pretrained(folder)


def _byte_tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens = ["<pad>", "<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    backend = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    return PreTrainedTokenizerFast(tokenizer_object=backend, clean_up_tokenization_spaces=False, **special)


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """Draw the speed of each path over that of the plain transformers loop, at each length."""
    from text2sql_lightning.files.charts import Bar, draw_bars

    series: dict[str, list[Bar]] = {}
    for length in sorted({row["length"] for row in results}):
        rows = {row["path"]: row for row in results if row["length"] == length}
        peer = rows.get("transformers")
        series[f"{length} tokens"] = [
            Bar(label, peer["seconds"] / row["seconds"], text=f"{row['examples'] / row['seconds']:.1f} examples/s")
            if peer and (row := rows.get(label))
            else Bar(label, None)
            for label in dict.fromkeys(row["path"] for row in results)
        ]
    draw_bars(series, path, axis="speed of a training step over that of plain transformers")


def table(results: list[dict[str, Any]], ceiling: float) -> str:
    """Return results as Markdown, each path against the plain transformers loop on the same rows."""
    rows = []
    for row in sorted(results, key=lambda row: row["length"]):
        peer = next((r for r in results if r["path"] == "transformers" and r["length"] == row["length"]), None)
        rate = row["examples"] / row["seconds"]
        flops = row["flops"] / row["seconds"]
        rows.append(
            (
                str(row["length"]),
                row["path"],
                f"{rate:.2f}",
                f"{peer['seconds'] / row['seconds']:.2f} x" if peer else "-",
                f"{rate * row['length']:.0f}",
                f"{row['distinct_tokens'] / (row['examples'] * row['length']):.0%}",
                f"{flops / 1e12:.1f}",
                f"{flops / ceiling:.0%}",
                f"{row['peak_gib']:.1f} GiB" if row["peak_gib"] is not None else "-",
                f"{row['loss']:.4f}",
                f"{row['gradient_norm']:.4f}",
            )
        )
    return markdown_table(
        "tokens | path | examples/s | against transformers | tokens/s | of these computed | TFLOP/s | of the ceiling | "
        "peak memory | loss | gradient norm",
        rows,
    )


if __name__ == "__main__":
    sys.exit(main())
