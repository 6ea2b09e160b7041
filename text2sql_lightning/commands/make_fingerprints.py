"""Make the hashes of Spider dev that the package ships; for those who work on the package.

    python -m text2sql_lightning.commands.make_fingerprints SPIDER_DIR

Run it again whenever `normal_form`, `canonical_query` or `near_duplicates` below data/build gives another result, and
raise NORMAL_FORM_VERSION.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from text2sql_lightning.commands.console import OneLineParser, run_command
from text2sql_lightning.prepare.decontaminate import read_benchmark
from text2sql_lightning.prepare.fingerprints import SPIDER_DEV_FILE, fingerprint, write_fingerprints
from text2sql_lightning.prepare.normal_form import normal_query


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Arguments; those of the process when None.

    Returns:
        The exit code.
    """
    parser = OneLineParser(prog="make_fingerprints", description="Hash the questions and queries of Spider dev.")
    parser.add_argument("spider_dir", type=Path, help="folder with dev.json")
    default = Path(__file__).parents[1] / "data" / "build" / SPIDER_DEV_FILE
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
