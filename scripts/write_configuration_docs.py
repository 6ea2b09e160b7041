"""Write docs/configuration.md from the code: `make docs`."""

import sys

from text2sql_lightning.commands.write_configuration_docs import main

if __name__ == "__main__":
    sys.exit(main())
