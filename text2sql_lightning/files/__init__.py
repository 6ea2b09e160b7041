"""Bytes on disk: atomic writes, JSON lines, tables, errors of the hub. Knows nothing of SQL or of training."""
