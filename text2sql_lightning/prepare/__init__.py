"""Rows become records. Knows nothing of torch."""
