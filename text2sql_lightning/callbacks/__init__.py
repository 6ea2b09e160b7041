"""Side effects of a run, one file a callback."""
