"""Fine-tune with QLoRA: `python scripts/train_qlora.py --help`."""

import sys

from text2sql_lightning.commands.train_qlora import main

if __name__ == "__main__":
    sys.exit(main())
