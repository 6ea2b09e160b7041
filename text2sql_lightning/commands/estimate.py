"""Memory on each GPU and time of `text2sql fit` with the same arguments: --config FILE and any flag of fit.

Nothing is loaded; of a base model on the hub only the configuration is fetched.
"""

import math
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from text2sql_lightning.commands.config_checks import find_configs
from text2sql_lightning.commands.console import Command, run_command
from text2sql_lightning.errors import ConfigError
from text2sql_lightning.modeling.backends import Hardware, choose_backend, get_backend
from text2sql_lightning.modeling.estimate import (
    Footprint,
    StepTime,
    TrainingLoad,
    all_reduce_bytes,
    checkpoint_bytes,
    footprint,
    micro_batch_time,
)
from text2sql_lightning.modeling.model_shape import GPUS, Gpu, ModelShape, read_shape
from text2sql_lightning.modeling.settings import BackendName

if TYPE_CHECKING:
    from jsonargparse import Namespace as Config

GIB: Final = 2.0**30
_RESERVE: Final = 1.0 * GIB
_FRAGMENTS: Final = 1.05
_COMPLETION: Final = 40
_LINK: Final = 50e9
"""Bytes per second between machines: one 400 Gbit/s link for each GPU."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; what it does not know are arguments of `fit`."""
    options, rest = Command("text2sql estimate", __doc__, _add_flags, lambda _: None).parser().parse_known_args(argv)
    return run_command(lambda: _run(options, rest))


def _add_flags(parser: ArgumentParser) -> None:
    parser.add_argument("--gpu", choices=sorted(GPUS), default="h100", help="the GPU that is meant")
    parser.add_argument("--mean_tokens", type=float, default=150.0, help="of a record, for the time")
    parser.add_argument("--scaling", action="store_true", help="a table from 1 to 512 GPUs instead")


@dataclass(frozen=True)
class Plan:
    """What `fit` would do with a configuration, as far as memory and time depend on it."""

    config: "Config"
    backend: BackendName
    shape: ModelShape
    load: TrainingLoad

    @property
    def accumulate(self) -> int:
        """Micro-batches of a step."""
        return int(self.config.trainer.accumulate_grad_batches)

    @property
    def records(self) -> int:
        """Records of a step on one GPU."""
        return int(self.config.data.batch_size) * self.accumulate

    @property
    def gpus(self) -> int:
        """GPUs of all machines; one where their number is not given."""
        devices = self.config.trainer.devices
        here = len(devices) if isinstance(devices, list) else int(devices) if str(devices).isdigit() else 1
        return max(1, here) * int(self.config.trainer.num_nodes)

    def micro_batch(self, gpu: Gpu, mean_tokens: float) -> StepTime:
        """Estimate the time of a micro-batch."""
        return micro_batch_time(self.shape, self.load, gpu.peak_flops, self.config.data.batch_size, mean_tokens)


def _run(options: Namespace, arguments: list[str]) -> int:
    if not 0 < options.mean_tokens < math.inf:
        raise ConfigError(f"--mean_tokens is {options.mean_tokens}; it must be a number above 0")
    gpu = GPUS[options.gpu]
    plan = make_plan(read_config(arguments), gpu)
    print(scaling_table(plan, gpu, options.mean_tokens) if options.scaling else report(plan, gpu, options.mean_tokens))
    return 0


def read_config(arguments: list[str]) -> "Config":
    """Parse the arguments of `fit`; returns its configuration. Nothing is made of it."""
    from text2sql_lightning.commands.cli import ParsingCLI, run

    config: Config = run(["fit", *find_configs(arguments)], ParsingCLI).config.fit
    return config


def make_plan(config: "Config", gpu: Gpu) -> Plan:
    """Read off a configuration what memory and time depend on.

    Raises:
        ConfigError: There is nothing to train.
    """
    model, data = config.model, config.data
    if model.lora is None:
        raise ConfigError("model.lora null: there is no weight to train; leave model.lora out to train an adapter")
    shape = read_shape(model.base_model)
    backend = choose_backend(model.backend, Hardware((7, 5) if gpu.name == "T4" else (8, 0)))
    load = TrainingLoad(
        tokens=data.batch_size * data.max_seq_length,
        targets=data.batch_size * _COMPLETION,
        costs=get_backend(backend).costs(),
        quantization=model.quantization,
        value_bytes=4 if str(config.trainer.precision).startswith("32") else 2,
        adapter_weights=shape.adapter_weights(model.lora.r, model.lora.target_modules),
        checkpointing=model.gradient_checkpointing,
        eight_bit_optimizer=model.optimizer != "adamw",
    )
    return Plan(config, backend, shape, load)


def _assumptions(config: "Config") -> str:
    notes = []
    if str(config.trainer.devices) in ("auto", "-1"):
        notes.append("one GPU (give --trainer.devices)")
    if config.data.packing == "shared_prefix":
        notes.append("no prefix shared, so at most this")
    return f"; assumed: {', '.join(notes)}" if notes else ""


def report(plan: Plan, gpu: Gpu, mean_tokens: float) -> str:
    """Lay out on a page what a run takes."""
    model, load = plan.config.model, plan.load
    need = footprint(plan.shape, load)
    total = plan.shape.linear_weights + plan.shape.other_weights
    lines = [
        f"{model.base_model}: {total / 1e9:.2f} B weights, {load.quantization}; LoRA r {model.lora.r}: "
        f"{load.adapter_weights / 1e6:.1f} M weights to train",
        f"{plan.backend} backend, micro-batches of {load.tokens} tokens, gradient checkpointing "
        f"{'on' if load.checkpointing else 'off'}{_assumptions(plan.config)}",
        "",
        f"{'memory on each GPU':<44}{'GiB':>8}",
        *(f"  {name:<42}{size / GIB:>8.2f}" for name, size in need.parts.items()),
        f"  {'all tensors':<42}{need.total / GIB:>8.2f}",
    ]
    if need.on_host:
        lines.append(f"  (activations kept in the machine's memory: {need.on_host / GIB:.2f} GiB)")
    lines += ["", *_verdicts(plan, need), "", *_times(plan, gpu, mean_tokens)]
    return "\n".join(lines)


def fits(need: Footprint, gpu: Gpu) -> bool:
    """Return whether a run fits: all tensors, 5 % for what lies between them, and 1 GiB for CUDA itself."""
    return need.total * _FRAGMENTS + _RESERVE <= gpu.memory


def _verdicts(plan: Plan, need: Footprint) -> list[str]:
    yes = [gpu.name for gpu in GPUS.values() if fits(need, gpu)]
    no = [gpu.name for gpu in GPUS.values() if gpu.name not in yes]
    lines = [f"fits, with 5 % and 1 GiB to spare: {', '.join(yes) or 'none of those that are known here'}"]
    if no:
        hints = "--data.max_seq_length, --data.batch_size"
        hints += "" if plan.load.checkpointing else ", --model.gradient_checkpointing true"
        lines.append(f"does not fit: {', '.join(no)} (less: {hints})")
    return lines


def _times(plan: Plan, gpu: Gpu, mean_tokens: float) -> list[str]:
    one, steps = plan.micro_batch(gpu, mean_tokens), plan.config.trainer.max_steps
    seconds = one.seconds * plan.accumulate
    if plan.load.value_bytes == 4:
        return ["time: not estimated for 32-true; the rates are those of 16 bits"]
    lines = [
        f"time on {gpu.name}, {mean_tokens:.0f} tokens a record, without validation: {seconds:.2f} s a step of "
        f"{plan.records * plan.gpus} records"
        + (f", {_duration(seconds * steps)} for {steps} steps" if steps > 0 else "")
    ]
    if one.launching > 1.5 * one.computing and plan.accumulate > 1:
        lines.append(
            f"such micro-batches are too small for the GPU, which would compute one in {one.computing:.3f} s: with a "
            "larger --data.batch_size and a smaller --trainer.accumulate_grad_batches the same step takes less time"
        )
    if gpu.name != GPUS["h100"].name:
        lines.append("(the rate was measured on an H100 and carried over by the data sheets)")
    return lines


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def scaling_table(plan: Plan, gpu: Gpu, mean_tokens: float) -> str:
    """Lay out as Markdown what changes with the number of GPUs, each with the records of one."""
    seconds = plan.micro_batch(gpu, mean_tokens).seconds * plan.accumulate
    need = footprint(plan.shape, plan.load)
    head = ("GPUs", "records a step", "memory on each", "sent by each", "on the wire", "records/s", "last.ckpt")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for gpus in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512):
        sent = all_reduce_bytes(plan.load.adapter_weights, gpus)
        wire, records = sent / _LINK, plan.records * gpus
        lines.append(
            f"| {gpus} | {records} | {need.total / GIB:.1f} GiB | {sent / 1e6:.0f} MB | {wire * 1e3:.1f} ms | "
            f"{records / (seconds + wire):.0f} | {checkpoint_bytes(plan.load) / 1e6:.0f} MB |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
