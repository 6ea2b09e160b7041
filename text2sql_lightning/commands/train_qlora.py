"""Fine-tune a model to write SQL with QLoRA: the training command with flat flags, the same run as `text2sql fit`."""

import shlex
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from text2sql_lightning.commands.config_checks import has_cuda
from text2sql_lightning.commands.console import Command
from text2sql_lightning.commands.fit import main as fit
from text2sql_lightning.constants import DEFAULT_BASE_MODEL, METRICS_FILE
from text2sql_lightning.data.records import Record, read_records
from text2sql_lightning.files.atomic import write_json
from text2sql_lightning.runs.output_folder import reserve_folder
from text2sql_lightning.runs.run_meta import Mode, RunMeta
from text2sql_lightning.text.prompts import build_prompt

NUM_SAMPLES = 2


def _add_flags(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--train_path", default="data/processed/train.jsonl", help="records to train on")
    add("--val_path", default="data/processed/val.jsonl", help="records to validate on")
    add("--base_model", default=DEFAULT_BASE_MODEL, help="hub name or folder")
    add("--output_dir", default="outputs/run", help="folder of all that the run writes")
    add("--max_steps", type=int, default=500, help="optimizer steps")
    add("--per_device_train_batch_size", type=int, default=1, help="records per micro-batch")
    add("--gradient_accumulation_steps", type=int, default=8, help="micro-batches per step")
    add("--learning_rate", type=float, default=2e-4, help="peak learning rate")
    add("--warmup_steps", type=int, default=50, help="steps of rising learning rate")
    add("--weight_decay", type=float, default=0.0, help="decoupled weight decay")
    add("--max_seq_length", type=int, default=2048, help="longest record in tokens")
    add("--lora_r", type=int, default=16, help="adapter rank")
    add("--lora_alpha", type=int, default=16, help="adapter scale")
    add("--lora_dropout", type=float, default=0.0, help="dropout on the adapter's input")
    add("--seed", type=int, default=42, help="seed of everything random")
    add("--dry_run", action="store_true", help="format a batch, print sample prompts, load no model")
    add("--smoke", action="store_true", help="check data and configuration; load the model only where there is a GPU")
    add("--resume", action="store_true", help="go on from the last checkpoint in --output_dir")
    add("--overwrite", action="store_true", help="delete a run that is already in --output_dir")


def fit_arguments(options: Namespace) -> list[str]:
    """Translate the flags to the arguments of `text2sql fit`."""
    settings: dict[str, Any] = {
        "data.train_path": options.train_path,
        "data.val_path": options.val_path,
        "data.batch_size": options.per_device_train_batch_size,
        "data.max_seq_length": options.max_seq_length,
        "model.base_model": options.base_model,
        "model.learning_rate": options.learning_rate,
        "model.warmup_steps": options.warmup_steps,
        "model.weight_decay": options.weight_decay,
        "model.lora.r": options.lora_r,
        "model.lora.alpha": options.lora_alpha,
        "model.lora.dropout": options.lora_dropout,
        "trainer.max_steps": options.max_steps,
        "trainer.accumulate_grad_batches": options.gradient_accumulation_steps,
        "seed_everything": options.seed,
        "output_dir": options.output_dir,
    }
    arguments = ["fit", *(f"--{key}={value}" for key, value in settings.items())]
    if options.resume:
        arguments.append("--ckpt_path=last")
    if options.overwrite:
        arguments.append("--overwrite=true")
    return arguments


def _run(options: Namespace) -> int:
    arguments = fit_arguments(options)
    if options.dry_run or (options.smoke and not has_cuda()):
        return _rehearse(options, arguments)
    if options.smoke:
        arguments += ["--trainer.max_steps=1", "--trainer.limit_val_batches=0", "--data.max_train_examples=8"]
    return fit(arguments)


def _rehearse(options: Namespace, arguments: list[str]) -> int:
    """Check what can be checked without a model, a tokenizer or a network, and say so in the run's files."""
    mode: Mode = "dry_run" if options.dry_run else "smoke"
    train, val = read_records(Path(options.train_path)), read_records(Path(options.val_path))
    if options.smoke:
        _check_configuration(arguments)
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
    samples = batch if len(batch) >= NUM_SAMPLES else records[:NUM_SAMPLES]
    for number, record in enumerate(samples, start=1):
        print(f"--- sample {number} of the first batch, {record.id}: prompt, then | and the completion ---")
        print(f"{build_prompt(record.instruction, record.input)}|{record.output}<EOS>\n")


def _check_configuration(arguments: list[str]) -> None:
    from text2sql_lightning.commands.cli import RehearsalCLI, run

    run(arguments, RehearsalCLI)


def _config(options: Namespace) -> dict[str, Any]:
    return {
        "seed_everything": options.seed,
        "output_dir": options.output_dir,
        "model": {"base_model": options.base_model, "backend": "auto", "quantization": "nf4"},
        "data": {"train_path": options.train_path, "val_path": options.val_path},
        "flags": vars(options),
    }


main = Command("train_qlora.py", __doc__, _add_flags, _run)

if __name__ == "__main__":
    raise SystemExit(main())
