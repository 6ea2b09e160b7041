"""Spider's official verdicts. Knows nothing of models."""
