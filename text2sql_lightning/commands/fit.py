"""Train an adapter or score one with LightningCLI: `text2sql fit | validate | test | predict`, and train_qlora.py."""

import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from text2sql_lightning.commands.config_checks import find_configs, has_cuda, prepare_libraries
from text2sql_lightning.commands.console import Command, run_command
from text2sql_lightning.constants import DEFAULT_BASE_MODEL, METRICS_FILE
from text2sql_lightning.data.records import Record, read_records
from text2sql_lightning.files.atomic import write_json
from text2sql_lightning.runs.output_folder import reserve_folder
from text2sql_lightning.runs.run_meta import Mode, RunMeta
from text2sql_lightning.text.prompts import build_prompt

_NUM_SAMPLES: Final = 2
_FLAGS: Final = (
    ("train_path", "data.train_path", "data/processed/train.jsonl", "records to train on"),
    ("val_path", "data.val_path", "data/processed/val.jsonl", "records to validate on"),
    ("base_model", "model.base_model", DEFAULT_BASE_MODEL, "hub name or folder"),
    ("output_dir", "output_dir", "outputs/run", "folder of all that the run writes"),
    ("max_steps", "trainer.max_steps", 500, "optimizer steps"),
    ("per_device_train_batch_size", "data.batch_size", 1, "records per micro-batch"),
    ("gradient_accumulation_steps", "trainer.accumulate_grad_batches", 8, "micro-batches per step"),
    ("learning_rate", "model.learning_rate", 2e-4, "peak learning rate"),
    ("warmup_steps", "model.warmup_steps", 50, "steps of rising learning rate"),
    ("weight_decay", "model.weight_decay", 0.0, "decoupled weight decay"),
    ("max_seq_length", "data.max_seq_length", 2048, "longest record in tokens"),
    ("lora_r", "model.lora.r", 16, "adapter rank"),
    ("lora_alpha", "model.lora.alpha", 16, "adapter scale"),
    ("lora_dropout", "model.lora.dropout", 0.0, "dropout on the adapter's input"),
    ("seed", "seed_everything", 42, "seed of everything random"),
)
"""Flag, option of `text2sql fit`, default and help."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command of LightningCLI.

    Args:
        argv: `fit`, `validate`, `test` or `predict`, and its options; those of the process when None.

    Returns:
        The exit code: 0, 2 after a mistake of the user's, 130 after Ctrl-C.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if {"-h", "--help"} & {*arguments}:
        from text2sql_lightning.commands.options import options_page

        print(options_page(arguments[0] if arguments[0] in ("validate", "test", "predict") else "fit"), end="")
        return 0
    return run_command(lambda: _run_cli(find_configs(arguments)))


def _run_cli(arguments: list[str]) -> None:
    prepare_libraries(arguments)
    from text2sql_lightning.commands.cli import run  # imports transformers, which Unsloth has to come before

    run(arguments)


def _add_flags(parser: ArgumentParser) -> None:
    add = parser.add_argument
    for name, _, default, text in _FLAGS:
        add(f"--{name}", type=type(default), default=default, help=text)
    add("--dry_run", action="store_true", help="format a batch, print sample prompts, load no model")
    add("--smoke", action="store_true", help="check data and configuration; load the model only where there is a GPU")
    add("--resume", action="store_true", help="go on from the last checkpoint in --output_dir")
    add("--overwrite", action="store_true", help="delete a run that is already in --output_dir")


def fit_arguments(options: Namespace) -> list[str]:
    """Translate the flags to the arguments of `text2sql fit`."""
    arguments = ["fit", *(f"--{option}={getattr(options, name)}" for name, option, *_ in _FLAGS)]
    return arguments + ["--ckpt_path=last"] * options.resume + ["--overwrite=true"] * options.overwrite


def _train_qlora(options: Namespace) -> int:
    arguments = fit_arguments(options)
    if options.dry_run or (options.smoke and not has_cuda()):
        return _rehearse(options, arguments)
    if options.smoke:
        arguments += ["--trainer.max_steps=1", "--trainer.limit_val_batches=0", "--data.max_train_examples=8"]
    return main(arguments)


def _rehearse(options: Namespace, arguments: list[str]) -> int:
    """Check what can be checked without a model, a tokenizer or a network, and say so in the run's files."""
    mode: Mode = "dry_run" if options.dry_run else "smoke"
    train, val = read_records(Path(options.train_path)), read_records(Path(options.val_path))
    if options.smoke:
        from text2sql_lightning.commands.cli import RehearsalCLI, run

        run(arguments, RehearsalCLI)
    folder = Path(options.output_dir)
    reserve_folder(folder, resume=False, overwrite=options.overwrite)
    meta = RunMeta(folder, mode, _config(options), ["train_qlora.py", *sys.argv[1:]])
    meta.meta.update(num_train_examples=len(train), num_val_examples=len(val))
    meta.begin()
    reason = "--dry_run loads no model" if options.dry_run else "--smoke loads no model where there is no GPU"
    note = f"{reason}: data and configuration were checked, nothing was trained"
    write_json(folder / METRICS_FILE, {"note": note})
    if options.dry_run:
        _print_samples(train[: options.per_device_train_batch_size], train)
    print(f"{len(train)} training and {len(val)} validation records. {note}.")
    print(f"The run would be: text2sql {shlex.join(arguments)}")
    meta.meta["note"] = note
    meta.finish("completed")
    return 0


def _print_samples(batch: list[Record], records: list[Record]) -> None:
    samples = batch if len(batch) >= _NUM_SAMPLES else records[:_NUM_SAMPLES]
    for number, record in enumerate(samples, start=1):
        print(f"--- sample {number} of the first batch, {record.id}: prompt, then | and the completion ---")
        print(f"{build_prompt(record.instruction, record.input)}|{record.output}<EOS>\n")


def _config(options: Namespace) -> dict[str, object]:
    return {
        "seed_everything": options.seed,
        "output_dir": options.output_dir,
        "model": {"base_model": options.base_model, "backend": "auto", "quantization": "nf4"},
        "data": {"train_path": options.train_path, "val_path": options.val_path},
        "flags": vars(options),
    }


train_qlora = Command(
    "train_qlora.py",
    "Fine-tune a model to write SQL with QLoRA: the training command with flat flags, the same run as `text2sql fit`.",
    _add_flags,
    _train_qlora,
)

if __name__ == "__main__":
    raise SystemExit(main())
