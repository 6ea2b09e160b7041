"""The main job on an embedded model and data: `make quickstart`."""

import sys

from text2sql_lightning.commands.quickstart import main

if __name__ == "__main__":
    sys.exit(main())
