"""WholeCSVLogger: Lightning's CSV log, of which a full disk takes nothing."""

from pathlib import Path

from lightning.pytorch.loggers import CSVLogger

from text2sql_lightning.atomic import errors_naming, write_bytes


class WholeCSVLogger(CSVLogger):
    """Takes the place of `lightning.pytorch.loggers.CSVLogger` in a run.

    Lightning's own writes `metrics.csv` anew, from its first line, where a metric appears for the first time.
    """

    def save(self) -> None:
        """Write the new lines; where that fails the file is as it was before, and the error names it."""
        path = Path(self.log_dir) / "metrics.csv"
        before = path.read_bytes() if path.is_file() else None
        try:
            with errors_naming(path):
                super().save()
        except OSError:
            restore(path, before)
            raise


def restore(path: Path, content: bytes | None) -> None:
    """Give a file its old content; None for no file."""
    path.unlink(missing_ok=True)
    if content is not None:
        write_bytes(path, content)
