"""Loading from the Hugging Face Hub or a folder: what went wrong, in one line, each cause told apart."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final, Literal

from text2sql_lightning.errors import DataError, ModelError, Text2SQLError

log = logging.getLogger(__name__)

_ANSWER_WITHIN_S: Final = 5.0
_GATED: Final = {"GatedRepoError"}
_UNKNOWN: Final = {"RepositoryNotFoundError", "RevisionNotFoundError", "HFValidationError", "DatasetNotFoundError"}
_UNREACHABLE: Final = {"LocalEntryNotFoundError", "OfflineModeIsEnabled", "ConnectionError", "ConnectError",
                       "ConnectTimeout", "ReadTimeout", "Timeout", "MaxRetryError", "gaierror"}  # fmt: skip


@contextmanager
def readable_hub_errors(name: str, setting: str) -> Iterator[None]:
    """Turn what transformers and the hub client raise into a ModelError of one line.

    Args:
        name: The hub name or folder that is being loaded.
        setting: The configuration key that it came from.

    Raises:
        ModelError: Whether the folder is missing or incomplete, the repository unknown, gated or unreachable.
    """
    check_local_folder(name, setting)
    if not Path(name).is_dir():
        use_cache_if_hub_is_unreachable()
    try:
        yield
    except Exception as error:
        known = isinstance(error, (OSError, ValueError, ImportError)) or type(error).__name__ == "SafetensorError"
        if isinstance(error, Text2SQLError) or not known:
            raise
        raise ModelError(explain(name, setting, error)) from error


def load_hub_dataset(name: str, split: str, instead: str) -> Iterable[Mapping[str, object]]:
    """Load a split of a dataset from the hub, or from its cache on this machine.

    Args:
        name: The dataset, `owner/name`.
        split: The split.
        instead: What to do without it, for the message.

    Raises:
        DataError: The hub cannot be reached, knows no such dataset, or wants a licence accepted.
    """
    import datasets

    use_cache_if_hub_is_unreachable()
    try:
        loaded: Iterable[Mapping[str, object]] = datasets.load_dataset(name, split=split)
    except Exception as error:  # datasets raises a dozen kinds, its own and those of the transport
        reason = explain(name, "the dataset", error, kind="dataset", instead=instead)
        raise DataError(reason if instead in reason else f"{reason}, or {instead}") from error
    return loaded


def check_local_folder(name: str, setting: str) -> None:
    """Refuse a path that does not exist, before it is taken for a hub name.

    Raises:
        ModelError: `name` is written as a path and there is no such folder.
    """
    path = Path(name)
    if not path.is_dir() and (name.startswith((".", "/", "~", "checkpoints/")) or name.count("/") > 1):
        raise ModelError(
            f"{setting} {name}: there is no such folder; give an existing folder or a hub name owner/model"
        )


@cache
def use_cache_if_hub_is_unreachable() -> None:
    """Go into the hub client's offline mode when the hub does not answer: its own retries take most of a minute."""
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return
    try:
        get_session().head(constants.ENDPOINT, timeout=_ANSWER_WITHIN_S)
    except Exception as error:  # the client's transport decides what it raises: proxies, TLS, time-outs
        log.warning("the hub %s cannot be reached (%s): using what is on this machine", constants.ENDPOINT, error)
        constants.HF_HUB_OFFLINE = True


def explain(
    name: str,
    setting: str,
    error: BaseException,
    *,
    kind: Literal["model", "dataset"] = "model",
    instead: str = "give a local folder",
) -> str:
    """Return in one line why `name`, from `setting`, could not be loaded."""
    links = list(_chain(error))
    kinds, words = {type(link).__name__ for link in links}, " ".join(map(str, links))
    first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
    if Path(name).is_dir():
        return (
            f"{setting} {name}: the folder cannot be loaded ({first_line}); it needs config.json, weights, a tokenizer"
        )
    if kinds & _GATED or "is a gated" in words:
        page = name if kind == "model" else f"datasets/{name}"
        return (
            f"{setting} {name} is gated: accept its licence on https://huggingface.co/{page} and set HF_TOKEN to your "
            "access token"
        )
    # Before "unknown": without a network the cache's miss looks like a missing dataset as well.
    if kinds & _UNREACHABLE or "OfflineModeIsEnabled" in words or "Couldn't reach" in words:
        return f"{setting} {name} is not on this machine and the hub cannot be reached: {instead}, or connect"
    if kinds & _UNKNOWN:
        return f"{setting} {name}: the hub has no such {kind} (private ones need HF_TOKEN): check owner/{kind}"
    return f"{setting} {name} cannot be loaded: {first_line}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()  # an exception that was raised twice can be its own context
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
