"""The fast path on a CPU. Nothing but modeling/backends and inference asks for it."""
