"""One library's part of the GPU benchmark, in a process of its own: Unsloth replaces parts of transformers."""

import gc
import json
import statistics
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from text2sql_lightning.commands.gpu_benchmark_timer import StepTimer, clear_memory
from text2sql_lightning.modeling.settings import Packing

LORA_R: Final = 16
SEED: Final = 42
_LEARNING_RATE: Final = 1e-9
"""So small that every path sees the same weights at every step, and losses can be compared."""


def main(argv: Sequence[str] | None = None) -> int:
    """Time each path of one library at each load, a JSON line each in `--out`."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--library", choices=("transformers", "unsloth"), required=True)
    parser.add_argument("--model", required=True, help="folder of the base model")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--loads", required=True, help="JSON: [[length, examples, per_schema], ...]")
    parser.add_argument("--warm_up", type=int, default=2, help="steps that are not timed")
    parser.add_argument("--steps", type=int, default=8)
    args = parser.parse_args(argv)
    if args.library == "unsloth":
        import unsloth  # noqa: F401  (before transformers)
    for run in _runs(args.library):
        for result in _time(run, args):
            with args.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")
            print(f"  {result['path']}, {result['length']} tokens: {result['seconds']:.3f} s a step", flush=True)
    return 0


@dataclass(frozen=True)
class _Run:
    """A model that is loaded once, and the ways to lay out batches that are timed on it."""

    packings: dict[str, Packing]
    ours: bool = True
    checkpointing: bool = True


def _runs(library: str) -> list[_Run]:
    """The library as it comes, then ours on it: padded batches, shared prefixes, and these with activations kept."""
    ours = f"ours, {library}"
    return [
        _Run({library: "none"}, ours=False),
        _Run({ours: "none", f"{ours}, shared": "shared_prefix"}),
        _Run({f"{ours}, shared, no recompute": "shared_prefix"}, checkpointing=False),
    ]


def _time(run: _Run, args: Namespace) -> Iterator[dict[str, Any]]:
    from text2sql_lightning.commands.gpu_benchmark_rows import Cost, Load, draw_examples
    from text2sql_lightning.modeling.estimate import read_shape

    shape = read_shape(args.model)
    loads = [Load(*numbers) for numbers in json.loads(args.loads)]
    each = args.warm_up + args.steps
    work = [
        (path, packing, load, [draw_examples(load, shape.vocabulary, seed) for seed in range(each)])
        for path, packing in run.packings.items()
        for load in loads
    ]
    timer = StepTimer(each)
    steps = [(examples, packing) for _, packing, _, drawn in work for examples in drawn]
    (_run_ours if run.ours else _run_plain)(run, args, steps, timer)
    for (path, packing, load, drawn), times in zip(work, timer.loads, strict=True):
        costs = [Cost.of(examples, packing == "shared_prefix") for examples in drawn[args.warm_up :]]
        yield {
            "path": path,
            **asdict(load),
            "seconds": statistics.median(times.seconds[args.warm_up :]),
            "all_seconds": times.seconds,
            "loss": times.loss,
            "gradient_norm": times.gradient_norm,
            "distinct_tokens": statistics.mean(cost.tokens for cost in costs),
            "flops": statistics.mean(shape.step_flops(cost.tokens, cost.targets, cost.pairs) for cost in costs),
            "peak_gib": times.peak_gib,
        }
    gc.collect()
    clear_memory()


def _run_plain(run: _Run, args: Namespace, steps: list[Any], timer: StepTimer) -> None:
    """A loop as the library's own guides write it: padded batch, labels, `model(...).loss`."""
    import torch

    from text2sql_lightning.data.collate import collate
    from text2sql_lightning.modeling.optim import build_optimizer

    model = _load_unsloth(args) if args.library == "unsloth" else _load_transformers(args)
    trainable = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    optimizer = build_optimizer(trainable, "auto", _LEARNING_RATE, 0.0)
    device = trainable[0][1].device
    for batch in [collate(examples, pad_token_id=0) for examples, _ in steps]:
        timer.start()
        inputs = {name: batch[name].to(device) for name in ("input_ids", "attention_mask", "labels")}
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = model(**inputs).loss
        loss.backward()
        norm = torch.nn.utils.get_total_norm([p.grad for _, p in trainable if p.grad is not None])
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        timer.stop(loss.item(), float(norm))


def _run_ours(run: _Run, args: Namespace, steps: list[Any], timer: StepTimer) -> None:
    """Text2SQLModule under Lightning's Trainer."""
    import torch
    from lightning.pytorch import Trainer
    from torch.utils.data import DataLoader

    from text2sql_lightning.commands.gpu_benchmark_timer import timing_callback
    from text2sql_lightning.data.collate import collate, collate_shared_prefixes
    from text2sql_lightning.modeling.settings import LoraSettings
    from text2sql_lightning.module import Text2SQLModule

    module = Text2SQLModule(
        base_model=args.model, backend=args.library, lora=LoraSettings(r=LORA_R, alpha=LORA_R),
        learning_rate=_LEARNING_RATE, warmup_steps=0, gradient_checkpointing=run.checkpointing,
        max_seq_length=_longest(args), packing="shared_prefix", seed=SEED,
    )  # fmt: skip
    trainer = Trainer(
        accelerator="auto", devices=1, precision="bf16-mixed" if torch.cuda.is_available() else "32-true",
        max_steps=len(steps), callbacks=[timing_callback(timer)], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False, log_every_n_steps=1,
    )  # fmt: skip
    collated: Any = [
        collate(examples, pad_token_id=0) if packing == "none" else collate_shared_prefixes(examples)
        for examples, packing in steps
    ]
    trainer.fit(module, DataLoader(collated, batch_size=None))


def _load_transformers(args: Namespace) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    from text2sql_lightning.modeling.settings import PROJECTIONS

    cuda = torch.cuda.is_available()
    dtype = torch.bfloat16 if cuda else torch.float32
    describe: Any = BitsAndBytesConfig
    quantization = describe(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    model: Any = AutoModelForCausalLM.from_pretrained(
        args.model, dtype=dtype, quantization_config=quantization, device_map={"": "cuda:0" if cuda else "cpu"}
    )
    model.config.use_cache = False
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.enable_input_require_grads()
    torch.manual_seed(SEED)
    lora = LoraConfig(r=LORA_R, lora_alpha=LORA_R, target_modules=list(PROJECTIONS), task_type="CAUSAL_LM")
    return get_peft_model(model, lora).train()


def _load_unsloth(args: Namespace) -> Any:
    import torch
    from unsloth import FastLanguageModel

    from text2sql_lightning.modeling.settings import PROJECTIONS

    cuda = torch.cuda.is_available()
    model, _ = FastLanguageModel.from_pretrained(
        model_name=args.model, max_seq_length=_longest(args), dtype=torch.bfloat16 if cuda else torch.float32,
        load_in_4bit=True,
    )  # fmt: skip
    model = FastLanguageModel.get_peft_model(
        model, r=LORA_R, lora_alpha=LORA_R, lora_dropout=0, target_modules=list(PROJECTIONS), bias="none",
        use_gradient_checkpointing="unsloth", random_state=SEED, max_seq_length=_longest(args),
    )  # fmt: skip
    FastLanguageModel.for_training(model)
    return model


def _longest(args: Namespace) -> int:
    return max(int(length) for length, *_ in json.loads(args.loads))


if __name__ == "__main__":
    sys.exit(main())
