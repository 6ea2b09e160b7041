"""Score predictions on records: `python scripts/evaluate_internal.py --help`."""

import sys

from text2sql_lightning.commands.evaluate import main

if __name__ == "__main__":
    sys.exit(main())
