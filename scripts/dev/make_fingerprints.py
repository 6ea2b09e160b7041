"""Make the hashes of Spider dev that the package ships: `python scripts/dev/make_fingerprints.py SPIDER_DIR`.

Run it again whenever the normal form of questions or queries, or the sketches of near duplicates, give another result,
and raise NORMAL_FORM_VERSION.
"""

import sys
from argparse import ArgumentDefaultsHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from text2sql_lightning.commands.console import OneLineParser, run_command
from text2sql_lightning.prepare.decontaminate import read_benchmark
from text2sql_lightning.prepare.fingerprints import SPIDER_DEV_FILE, fingerprint, write_fingerprints
from text2sql_lightning.prepare.normal_form import normal_query

ROOT = Path(__file__).resolve().parents[2]


def main(argv: Sequence[str] | None = None) -> int:
    """Hash `dev.json`; the exit code is 2 for a mistake of the user's."""
    parser = OneLineParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("spider_dir", type=Path, help="folder with dev.json")
    default = ROOT / "text2sql_lightning" / "prepare" / SPIDER_DEV_FILE
    parser.add_argument("--out", type=Path, default=default, help="file to write")
    args = parser.parse_args(argv)
    return run_command(lambda: _make(args.spider_dir, args.out))


def _make(spider_dir: Path, out: Path) -> None:
    examples = read_benchmark(spider_dir / "dev.json")
    made = [fingerprint(example.question, normal_query(example.query)) for example in examples]
    write_fingerprints(out, made)
    questions, queries = ({getattr(entry, name) for entry in made} for name in ("question", "query"))
    print(f"{len(questions)} questions and {len(queries)} queries hashed into {out}")


if __name__ == "__main__":
    sys.exit(main())
