"""Rows to records, one file a step."""
