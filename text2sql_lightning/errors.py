"""Every mistake that a user can make is one of these; anything else is a bug and may show its traceback."""


class Text2SQLError(Exception):
    """A mistake of the user's: one line that says what was given, what is allowed, what to do."""


class ConfigError(Text2SQLError, ValueError):
    """A setting, or a combination of settings, that cannot work."""


class DataError(Text2SQLError, ValueError):
    """A data file that is missing, unreadable, malformed or empty."""


class ModelError(Text2SQLError):
    """A base model or adapter that cannot be had, or cannot run here."""


class RunError(Text2SQLError):
    """A run or an output folder that cannot go on: refused, full, or a loss that is not finite."""
