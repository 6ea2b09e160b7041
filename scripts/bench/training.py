"""Training beside TRL's SFTTrainer on a CPU: `make bench ROWS=file SPIDER=dir`."""

import sys

from text2sql_lightning.commands.bench_training import main

if __name__ == "__main__":
    sys.exit(main())
