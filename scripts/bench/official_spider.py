"""Spider scored by this project and by the official evaluator, one after the other: `make bench OFFICIAL=dir`."""

import sys

from text2sql_lightning.commands.bench_official_spider import main

if __name__ == "__main__":
    sys.exit(main())
