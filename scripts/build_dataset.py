"""Build the training data: `python scripts/build_dataset.py --help`."""

import sys

from text2sql_lightning.commands.build import main

if __name__ == "__main__":
    sys.exit(main())
