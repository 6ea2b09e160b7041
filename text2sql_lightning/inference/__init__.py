"""From prompts to SQL."""
