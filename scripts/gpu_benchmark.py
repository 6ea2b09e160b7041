"""Training speed on a GPU, beside plain transformers and Unsloth: under 9 minutes on one H100, nothing to download."""

import sys

from text2sql_lightning.commands.gpu_benchmark import main

if __name__ == "__main__":
    sys.exit(main())
