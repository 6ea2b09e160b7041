"""Score predictions on Spider dev: `python scripts/evaluate_spider_external.py --help`."""

import sys

from text2sql_lightning.commands.spider import main

if __name__ == "__main__":
    sys.exit(main())
