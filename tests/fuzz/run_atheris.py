"""Fuzz a parser guided by its coverage, with atheris: `python tests/fuzz/run_atheris.py jsonl -max_total_time=300`.

The first argument is a target of `targets.py`; the others go to libFuzzer. What it finds is written to `crash-...` in
the working folder; give that file as an argument to run it again.
"""

import sys
import tempfile
from pathlib import Path

import atheris

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

with atheris.instrument_imports(include=["text2sql_lightning", "json"]):
    from fuzz.mutation import MAX_BYTES
    from fuzz.targets import TARGETS, check, corpora


def main() -> None:
    name, folder = sys.argv[1], Path(tempfile.mkdtemp(prefix="fuzz"))
    seeds = folder / "seeds"
    seeds.mkdir()
    for number, data in enumerate(corpora()[name]):
        (seeds / str(number)).write_bytes(data)
    options = [f"-max_len={MAX_BYTES}", "-timeout=10", "-print_final_stats=1", *sys.argv[2:]]
    inputs = [] if any(Path(option).exists() for option in sys.argv[2:]) else [str(seeds)]
    atheris.Setup([sys.argv[0], *options, *inputs], lambda data: check(TARGETS[name], data, folder))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
