"""From a model name to a trainable model."""
