"""The generator of the embedded sample dataset."""
