"""From SQL to scores; works without Lightning."""
