"""Small databases that tell gold SQL from its mutants. Knows nothing of records or models."""
