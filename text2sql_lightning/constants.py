"""Values and file names that several rooms must agree on."""

from typing import Final

IGNORE_INDEX: Final = -100
"""Label of a position that has no target."""

HARDNESS: Final = ("easy", "medium", "hard", "extra", "unknown")
"""Ratings of a query, in the order in which they are shown."""

ADAPTERS_DIR: Final = "adapters"
CHECKPOINTS_DIR: Final = "checkpoints"
LOGS_DIR: Final = "logs"
CONFIG_FILE: Final = "config.yaml"
RUN_META_FILE: Final = "run_meta.json"
METRICS_FILE: Final = "metrics.json"
PROMPT_FILE: Final = "prompt.json"
SAMPLES_FILE: Final = "samples.jsonl"
PREDICTIONS_FILE: Final = "predictions.jsonl"

DEFAULT_BASE_MODEL: Final = "mistralai/Mistral-7B-Instruct-v0.1"
EMBEDDED_BASE_MODEL: Final = "checkpoints/smollm2-135m-instruct"
