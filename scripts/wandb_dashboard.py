"""Save the dashboard in a W&B project: `python scripts/wandb_dashboard.py --help`."""

import sys

from text2sql_lightning.commands.wandb_dashboard import main

if __name__ == "__main__":
    sys.exit(main())
