"""The end of a process that hangs where nobody can interrupt it.

SQLite looks at a deadline between two steps of a query, and some single steps take hours: `instr` on two texts of
megabytes is one. A process that was started to be lost (`sql.workers`) turns the watchdog on; then the operating system
ends the process when it was not seen for too long. Everywhere else `keep_alive` does nothing.
"""

import signal

_stall_s = 0.0


def turn_on(stall_s: float) -> None:
    """Let the alarm end this process; without a handler of Python's, which would wait for SQLite to return.

    Args:
        stall_s: Seconds from one sign of life to the next, where no other number is said.
    """
    global _stall_s
    if hasattr(signal, "setitimer"):
        _stall_s = stall_s
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def keep_alive(seconds: float | None = None) -> None:
    """Put the alarm off: it rings in so many seconds from now; 0 turns it off."""
    if _stall_s:
        signal.setitimer(signal.ITIMER_REAL, _stall_s if seconds is None else seconds)
