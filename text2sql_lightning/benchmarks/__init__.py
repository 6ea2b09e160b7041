"""Readers of published test sets. Know nothing of models."""
