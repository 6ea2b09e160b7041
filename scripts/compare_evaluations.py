"""Compare two evaluations of the same examples: `python scripts/compare_evaluations.py --help`."""

import sys

from text2sql_lightning.commands.compare import main

if __name__ == "__main__":
    sys.exit(main())
