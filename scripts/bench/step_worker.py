"""One library's steps in a process of its own (Unsloth replaces parts of transformers), on records of random tokens."""

import gc
import json
import random
import statistics
import sys
import time
from argparse import ArgumentParser, Namespace
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from text2sql_lightning.data.encoding import EncodedExample
from text2sql_lightning.data.packing import pack_shared_prefixes
from text2sql_lightning.modeling.settings import Packing

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

LORA_R: Final = 16
_LEARNING_RATE: Final = 1e-9
"""So small that every path sees the same weights at every step, and losses can be compared."""
_INSTRUCTION, _COMPLETION, _QUESTION = 30, 40, (15, 45)
"""Tokens that every prompt begins with; of SQL, EOS included; of the question and what is around it, least and most."""


@dataclass(frozen=True)
class Load:
    """What one optimizer step is made of.

    Attributes:
        length: Tokens of each example.
        examples: In a step.
        per_schema: Examples that ask of the same schema.
    """

    length: int
    examples: int
    per_schema: int


def draw_examples(load: Load, vocabulary: int, seed: int) -> list[EncodedExample]:
    """Draw the examples of a step: the instruction, a schema, a question, the completion."""
    draw = random.Random(seed)

    def ids(count: int, source: random.Random = draw) -> list[int]:
        return [source.randrange(3, vocabulary) for _ in range(count)]

    instruction = ids(_INSTRUCTION, random.Random(0))
    examples = []
    for first in range(0, load.examples, load.per_schema):
        question = draw.randint(*_QUESTION)
        schema = ids(load.length - _INSTRUCTION - question - _COMPLETION)
        for number in range(first, min(first + load.per_schema, load.examples)):
            tokens = array("i", [*instruction, *schema, *ids(question), *ids(_COMPLETION)])
            examples.append(EncodedExample(f"{seed}-{number}", tokens, load.length - _COMPLETION))
    return examples


@dataclass(frozen=True)
class Cost:
    """What a step has to compute.

    Attributes:
        tokens: Through the decoder.
        targets: Through the output head.
        pairs: Of a query and a key that it sees.
    """

    tokens: int
    targets: int
    pairs: int

    @classmethod
    def of(cls, examples: list[EncodedExample], shared: bool) -> "Cost":
        """Count the cost of examples, with prefixes computed once or again for each."""
        depths = (
            pack_shared_prefixes(examples).position_ids
            if shared
            else [place for example in examples for place in range(len(example.input_ids))]
        )
        targets = sum(example.num_target_tokens for example in examples)
        return cls(len(depths), targets, sum(depth + 1 for depth in depths))


@dataclass
class LoadTimes:
    """Seconds of the steps of one load, loss per target token and gradient norm of the first, GPU memory in GiB."""

    seconds: list[float] = field(default_factory=list)
    loss: float = 0.0
    gradient_norm: float = 0.0
    peak_gib: float | None = None


class StepTimer:
    """Times steps, the GPU's work included; after every `steps` a new load begins."""

    def __init__(self, steps: int) -> None:
        self.loads: list[LoadTimes] = []
        self._steps = steps
        self._started = 0.0

    def start(self) -> None:
        """Begin a step."""
        if not self.loads or len(self.loads[-1].seconds) == self._steps:
            clear_memory()
            self.loads.append(LoadTimes())
        finish()
        self._started = time.perf_counter()

    def stop(self, loss: float, gradient_norm: float) -> None:
        """End a step."""
        import torch

        finish()
        current = self.loads[-1]
        current.seconds.append(time.perf_counter() - self._started)
        current.peak_gib = torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else None
        if len(current.seconds) == 1:
            current.loss, current.gradient_norm = loss, gradient_norm


def finish() -> None:
    """Wait for the GPU, where there is one."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def clear_memory() -> None:
    """Return unused GPU memory, and count its peak anew."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


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
    from text2sql_lightning.modeling.model_shape import read_shape

    shape = read_shape(args.model)
    loads = [Load(*numbers) for numbers in args.loads]
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
    clear_memory()


def _run_plain(run: _Run, args: Namespace, steps: list[Any], timer: StepTimer) -> None:
    """A loop as the library's own guides write it: padded batch, labels, `model(...).loss`."""
    import torch

    from text2sql_lightning.data.packing import collate
    from text2sql_lightning.modeling.optim import build_optimizer

    model = _load_plain(args)
    trainable = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    optimizer = build_optimizer(trainable, "auto", _LEARNING_RATE, 0.0)
    device: torch.device = trainable[0][1].device
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


def _load_plain(args: Namespace) -> Any:
    import torch
    from peers import SEED, load_transformers, load_unsloth, lora_config

    cuda = torch.cuda.is_available()
    dtype = torch.bfloat16 if cuda else torch.float32
    if args.library == "unsloth":
        model = load_unsloth(
            args.model, r=LORA_R, nf4=True, dtype=dtype, max_length=args.longest, checkpointing="unsloth"
        )
        import_module("unsloth").FastLanguageModel.for_training(model)
        return model
    from peft import get_peft_model

    model = load_transformers(args.model, nf4=True, dtype=dtype, device_map={"": "cuda:0" if cuda else "cpu"})
    model.config.use_cache = False
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.enable_input_require_grads()
    torch.manual_seed(SEED)
    return get_peft_model(model, lora_config(LORA_R)).train()


def _run_ours(run: _Run, args: Namespace, steps: list[Any], timer: StepTimer) -> None:
    import torch
    from common import train_ours
    from torch.utils.data import DataLoader

    from text2sql_lightning.data.packing import collate, collate_shared_prefixes

    def stop(trainer: "Trainer", _: Any) -> None:
        metrics = trainer.callback_metrics
        timer.stop(float(metrics["train/loss"]), float(metrics["train/gradient_norm"]))

    batches: Any = [
        collate(examples, pad_token_id=0) if packing == "none" else collate_shared_prefixes(examples)
        for examples, packing in steps
    ]
    train_ours(
        DataLoader(batches, batch_size=None),
        timer.start,
        stop,
        {
            "accelerator": "auto",
            "precision": "bf16-mixed" if torch.cuda.is_available() else "32-true",
            "max_steps": len(steps),
        },
        base_model=args.model,
        backend=args.library,
        learning_rate=_LEARNING_RATE,
        gradient_checkpointing=run.checkpointing,
        max_seq_length=args.longest,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Time each path of one library at each load, a JSON line each in `--out`."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--library", choices=("transformers", "unsloth"), required=True)
    parser.add_argument("--model", required=True, help="folder of the base model")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--loads", type=json.loads, required=True, help="JSON: [[length, examples, per_schema], ...]")
    parser.add_argument("--warm_up", type=int, default=2, help="steps that are not timed")
    parser.add_argument("--steps", type=int, default=8)
    args = parser.parse_args(argv)
    args.longest = max(length for length, *_ in args.loads)
    if args.library == "unsloth":
        import_module("unsloth")  # before transformers
    for run in _runs(args.library):
        for result in _time(run, args):
            with args.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")
            print(f"  {result['path']}, {result['length']} tokens: {result['seconds']:.3f} s a step", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
