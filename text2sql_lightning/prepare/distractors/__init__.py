"""Columns and tables that an answer does not need, added to schemas. Knows nothing of the other steps."""
