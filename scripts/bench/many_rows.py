"""Many rows out of a few, to measure a build: `python scripts/bench/many_rows.py rows.jsonl.gz 78577 many.jsonl.gz`.

Every round through the rows gives tables other numbers, and the numbers and texts that question and answer share other
values. So the rows are as different from each other as those of a larger source, and groups stay as small.
"""

import gzip
import json
import re
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import Final

from text2sql_lightning.data.sources import RawRow, read_rows
from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.text.sql_tokens import tokenize

_SALT: Final = 1_000_000


def main() -> None:
    """Write the file; the same rows, count and seed give the same bytes."""
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("rows", type=Path, help="question / context / answer rows (.jsonl, .jsonl.gz)")
    parser.add_argument("count", type=int, help="rows to write")
    parser.add_argument("out", type=Path, help="the .jsonl.gz file")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rows = islice(many_rows(read_rows(args.rows), args.seed), args.count)
    with args.out.open("wb") as raw, gzip.GzipFile("", "wb", compresslevel=3, fileobj=raw, mtime=0) as file:
        for question, context, answer in rows:
            line = json.dumps({"question": question, "context": context, "answer": answer}, ensure_ascii=False)
            file.write(f"{line}\n".encode())


def many_rows(rows: Sequence[RawRow], seed: int) -> Iterator[tuple[str, str, str]]:
    """Repeat rows without end: first as they are, then changed.

    Args:
        rows: The rows.
        seed: Decides what the changed ones hold.

    Yields:
        Question, context and answer.
    """
    for turn in count():
        for row in rows:
            if turn:
                yield _changed(row, turn, Random(f"{seed} {turn} {row.index}"))
            else:
                yield row.question, row.context, row.answer


def _changed(row: RawRow, turn: int, rng: Random) -> tuple[str, str, str]:
    question, answer = row.question, row.answer
    for token in reversed(tokenize(answer)):
        text = token.text[1:-1] if token.kind in ("string", "quoted") else token.text
        if token.kind not in ("string", "quoted", "number") or not text:
            continue
        found = re.search(rf"(?<!\w){re.escape(text)}(?!\w)", question, re.IGNORECASE)
        if found:
            new = _other_number(text, rng) if token.kind == "number" else f"{text} {rng.randrange(_SALT)}"
            question = f"{question[: found.start()]}{new}{question[found.end() :]}"
            answer = answer[: token.start] + token.text.replace(text, new) + answer[token.end :]
    if question == row.question:
        question = f"In list {turn}-{rng.randrange(_SALT)}: {question}"
    return question, *_renumbered(row.context, answer, turn)


def _other_number(text: str, rng: Random) -> str:
    whole, point, rest = text.partition(".")
    return f"{int(whole or 0) + rng.randrange(1, 1000)}{point}{rest}" if whole.isdigit() or not whole else text


def _renumbered(context: str, answer: str, turn: int) -> tuple[str, str]:
    """Rename a schema's tables so that no other turn has the name; generic names stay generic."""
    new = {table.name: _numbered(table.name, turn) for table in Schema.from_ddl(context).tables}
    names = re.compile(rf"\b(?:{'|'.join(map(re.escape, new))})\b")
    return names.sub(lambda found: new[found[0]], context), names.sub(lambda found: new[found[0]], answer)


def _numbered(name: str, turn: int) -> str:
    if generic := re.fullmatch(r"table_name_(\d+)", name):
        return f"table_name_{(int(generic[1]) + turn) % 99 + 1}"
    parts = re.fullmatch(r"table_(\d+)_(\d+)", name)
    return f"table_{turn}{parts[1]:0>8}_{parts[2]}" if parts else f"{name}_{turn}"


if __name__ == "__main__":
    main()
