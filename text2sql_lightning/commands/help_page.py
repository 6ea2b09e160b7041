"""What `text2sql --help` prints; by hand, so that it takes no second: LightningCLI would import torch first."""

from typing import Final

HELP_PAGE: Final = """\
usage: text2sql COMMAND ...

Fine-tune a language model to write SQL, and score what it writes by executing it.

commands:
  fit         train an adapter on records: text2sql fit --config configs/experiment/mistral7b_qlora.yaml
  validate    loss, exact match and execution accuracy on the validation records
  test        the same on the test records, of a base model, an adapter or a checkpoint
  predict     answer the questions of a file
  ask         answer a question about a SQLite file, and run the SQL with --run
  estimate    memory and time of a fit with the same arguments, before anything is downloaded

Each has a page of its own, such as text2sql fit --help. Also: text2sql --version.
Data sets are built by python scripts/build_dataset.py; docs/configuration.md lists every option.
"""
