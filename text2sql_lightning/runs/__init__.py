"""What a run leaves behind: run_meta.json, output folders, loggers. Knows nothing of data or commands."""
