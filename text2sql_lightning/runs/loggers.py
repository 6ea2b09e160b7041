"""Where loggers write, and which W&B run a command writes to."""

import os
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from lightning.pytorch.loggers import CSVLogger

from text2sql_lightning.constants import LOGS_DIR, RUN_META_FILE
from text2sql_lightning.errors import DataError, missing_extra
from text2sql_lightning.files.atomic import errors_naming, write_bytes
from text2sql_lightning.files.jsonl import read_json

if TYPE_CHECKING:
    from jsonargparse import Namespace

WANDB_RUN_ID: Final = "wandb_run_id"
"""The field of `run_meta.json` that keeps the id of the W&B run, so that a resumed fit goes on with it."""

WANDB_CLOUD: Final = ("api.forge.coreweave.com", "api.wandb.ai")
"""Where wandb 0.31 sends runs, and its older name, which netrc files have too."""


def configure_loggers(config: "Namespace", folder: Path, wandb_run_id: str | None = None) -> None:
    """Let loggers write into the output folder, and W&B work without a key.

    Args:
        config: The configuration of the command, which is changed.
        folder: The folder of the command's outputs.
        wandb_run_id: The W&B run to go on with; None for a new one. An id that the user has given, or that a sweep's
            agent hands over in the environment, wins.
    """
    loggers = config.trainer.logger if isinstance(config.trainer.logger, list) else [config.trainer.logger]
    for logger in loggers:
        path = getattr(logger, "class_path", "")
        if not path or "init_args" not in logger:
            continue
        if logger.init_args.get("save_dir") in (None, "."):
            logger.init_args.save_dir = str(folder)
        if path == "lightning.pytorch.loggers.CSVLogger":
            logger.class_path = f"{__name__}.{SafeCSVLogger.__name__}"
        if path.endswith("TensorBoardLogger") and not (find_spec("tensorboard") or find_spec("tensorboardX")):
            raise missing_extra("trainer.logger TensorBoardLogger", "tensorboard", "tensorboard")
        if path.endswith("WandbLogger"):
            _configure_wandb(logger.init_args, wandb_run_id)


def _configure_wandb(settings: "Namespace", run_id: str | None) -> None:
    if settings.get("name") == LOGS_DIR:
        settings.name = None  # the parser hands on what the default logger was given
    if settings.get("resume") is None:
        settings.resume = "allow"  # as Lightning's own default, which the parser's null would replace
    given = settings.get("id") or settings.get("version") or os.environ.get("WANDB_RUN_ID")
    if run_id and not given:
        settings.id = run_id
    if not os.environ.get("WANDB_MODE") and not has_wandb_key():
        os.environ["WANDB_MODE"] = "offline"


def last_wandb_run_id(folder: Path) -> str | None:
    """Return the id of the W&B run of the fit in an output folder; None where there was none."""
    try:
        return read_json(folder / RUN_META_FILE).get(WANDB_RUN_ID) or None
    except DataError:
        return None


def has_wandb_key() -> bool:
    """Return whether there is a key for the W&B server that is to be used, in the environment or in the netrc file."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    given = os.environ.get("NETRC")
    for path in [given] if given else ["~/.netrc", "~/_netrc"]:
        netrc = Path(path).expanduser()
        if netrc.is_file():
            text = netrc.read_text(encoding="utf-8", errors="ignore")
            return any(host in text for host in _wandb_hosts())
    return False


def _wandb_hosts() -> tuple[str, ...]:
    """The names under which the key may be kept: the server's own, if one was chosen, or those of the cloud."""
    url = os.environ.get("WANDB_BASE_URL")
    if not url:
        settings = ConfigParser(interpolation=None)
        folder = Path(os.environ.get("WANDB_CONFIG_DIR", "~/.config/wandb")).expanduser()
        try:
            settings.read(folder / "settings", encoding="utf-8")  # of `wandb login --host`
        except (ConfigParserError, UnicodeDecodeError):
            return WANDB_CLOUD
        url = settings.get("default", "base_url", fallback="")
    host = urlsplit(url).hostname
    return WANDB_CLOUD if host is None or host in WANDB_CLOUD else (host,)


class SafeCSVLogger(CSVLogger):
    """CSVLogger that restores metrics.csv if writing fails; takes Lightning's place in a run.

    Lightning's own writes the file anew, from its first line, where a metric appears for the first time.
    """

    def save(self) -> None:
        """Write the new lines; where that fails the file is as it was before, and the error names it."""
        path = Path(self.log_dir) / "metrics.csv"
        before = path.read_bytes() if path.is_file() else None
        try:
            with errors_naming(path):
                super().save()
        except OSError:
            path.unlink(missing_ok=True)
            if before is not None:
                write_bytes(path, before)
            raise
