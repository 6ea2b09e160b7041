"""How the base model is loaded."""
