"""The one tokenizer policy: which tokens end, begin and pad a sequence, and how text becomes ids.

Training, generation and saved adapters all load their tokenizer here, so the same text has the same ids everywhere:

* **EOS** must exist. It is never added by the tokenizer; the encoder of examples appends it to completions.
* **Pad** is an existing token other than EOS. No token is ever added, so embeddings are never resized.
* **BOS** is added once where the base model expects it (Llama, Mistral) and nowhere else.
* Padding goes to the right. Text that looks like a special token (`</s>` in a question) is encoded as plain text.
"""

import logging
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from text2sql_lightning.errors import DataError, ModelError, missing_extra
from text2sql_lightning.files.hub import readable_hub_errors
from text2sql_lightning.files.jsonl import read_json

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

PAD_CANDIDATES: Final = (
    "<|finetune_right_pad_id|>", "<|endoftext|>", "<pad>", "[PAD]", "<|pad|>", "<|reserved_special_token_0|>", "<unk>",
)  # fmt: skip
"""Tokens that pad when the tokenizer names no usable pad token, in order of preference."""

TOKENIZER_FILES: Final = ("tokenizer.json", "tokenizer.model", "vocab.json", "tekken.json")
"""A folder without any of these has no tokenizer."""

_PROBE = "SELECT"
_SENTENCEPIECE = ("sentencepiece", "sentencepiece")
"""The package and the extra that installs it."""
_SENTENCEPIECE_PROBES = (
    "### Instruction:\nWrite SQL\n\n### Response:\nSELECT a, \"B c\" FROM t WHERE d >= 19.98 AND e = 'x y'",
    "  two  spaces\tand a tab\n\n\n",
    "\u00e9\u00df \u4e2d\u6587 \u00bd \U0001f642\u00a0",
    "</s>",
)


def load_tokenizer(name_or_path: str, *, setting: str = "model.base_model") -> "PreTrainedTokenizerBase":
    """Load the tokenizer of a base model or of a saved adapter, with the token policy applied.

    A folder that ships only `tokenizer.model` is converted here: the ids are SentencePiece's own, and BOS is added.

    Args:
        name_or_path: A folder, or a model name on the Hugging Face Hub.
        setting: The configuration key that the name came from; for error messages.

    Raises:
        ModelError: The folder or repository is missing, gated, unreachable or holds no tokenizer, or the tokenizer
            does not suit (see `apply_token_policy`).
    """
    from transformers import AutoTokenizer

    with readable_hub_errors(name_or_path, setting):
        folder = Path(name_or_path)
        if folder.is_dir() and not any((folder / name).is_file() for name in TOKENIZER_FILES):
            raise ModelError(f"{setting} {name_or_path}: the folder holds no tokenizer ({', '.join(TOKENIZER_FILES)})")
        try:
            tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(name_or_path)
        except (OSError, ValueError, ImportError) as error:
            if not (isinstance(error, OSError) or (folder / "tokenizer.json").is_file() or find_spec("sentencepiece")):
                raise missing_extra(f"{setting} {name_or_path}: a tokenizer.model", *_SENTENCEPIECE) from error
            raise
        except Exception as error:  # the tokenizers library raises bare Exception for a damaged file
            raise ModelError(f"{setting} {name_or_path}: the tokenizer files are damaged ({error})") from error
    model_file = Path(getattr(tokenizer, "vocab_file", None) or "")
    if model_file.suffix == ".model" and not model_file.with_name("tokenizer.json").is_file():
        tokenizer = _convert_sentencepiece(model_file, tokenizer)
    return apply_token_policy(tokenizer)


def apply_token_policy(tokenizer: "PreTrainedTokenizerBase") -> "PreTrainedTokenizerBase":
    """Bring a tokenizer in line with the policy of this module, in place; may be applied any number of times.

    Raises:
        ModelError: It has no EOS, no token besides EOS to pad with, or no fast (Rust) implementation.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(f"{_name(tokenizer)} has no fast tokenizer; bring a folder with tokenizer.json")
    if tokenizer.eos_token_id is None:
        raise ModelError(
            f"the tokenizer of {_name(tokenizer)} has no EOS token; set eos_token in tokenizer_config.json"
        )
    if tokenizer.pad_token != (pad := _find_pad_token(tokenizer)):
        tokenizer.pad_token = pad
    tokenizer.padding_side = "right"
    tokenizer.clean_up_tokenization_spaces = False  # it would change spaces in decoded SQL
    _leave_eos_to_the_encoder(tokenizer)
    return tokenizer


def adds_bos(tokenizer: "PreTrainedTokenizerBase") -> bool:
    """Return whether the tokenizer puts BOS in front of a text."""
    return tokenizer.bos_token_id is not None and encode_prompt(tokenizer, _PROBE)[0] == tokenizer.bos_token_id


def encode_prompt(tokenizer: "PreTrainedTokenizerBase", prompt: str) -> list[int]:
    """Encode a prompt for generation: exactly the ids before the completion in training."""
    return encode_texts(tokenizer, [prompt])[0]


def encode_texts(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> list[list[int]]:
    """Encode many texts at once: BOS where the policy has it, never EOS, special tokens in the text taken literally.

    The tokenizer is one of `load_tokenizer`; nothing is cut.
    """
    if not texts:
        return []
    encoded = tokenizer(list(texts), split_special_tokens=True, return_attention_mask=False, verbose=False)
    ids: list[list[int]] = encoded["input_ids"]
    return ids


def _name(tokenizer: "PreTrainedTokenizerBase") -> str:
    return str(tokenizer.name_or_path or type(tokenizer).__name__)


def _find_pad_token(tokenizer: "PreTrainedTokenizerBase") -> str:
    vocabulary = tokenizer.get_vocab()
    candidates = [tokenizer.pad_token, *PAD_CANDIDATES, tokenizer.unk_token, tokenizer.bos_token]
    for token in candidates:
        index = vocabulary.get(token) if token is not None else None
        if token is not None and index is not None and index != tokenizer.eos_token_id and index < len(tokenizer):
            return str(token)
    raise ModelError(
        f"the tokenizer of {_name(tokenizer)} has no token besides EOS {tokenizer.eos_token!r} to pad with; "
        "set pad_token in its tokenizer_config.json to an existing token"
    )


def _leave_eos_to_the_encoder(tokenizer: "PreTrainedTokenizerBase") -> None:
    if encode_prompt(tokenizer, _PROBE)[-1] == tokenizer.eos_token_id:
        bos = adds_bos(tokenizer)
        tokenizer.add_eos_token = False
        tokenizer.add_bos_token = bos  # each assignment rebuilds the template from both flags


def _convert_sentencepiece(model_file: Path, loaded: "PreTrainedTokenizerBase") -> "PreTrainedTokenizerBase":
    """Convert `tokenizer.model` exactly; `loaded`, what transformers makes of it, lacks the leading `▁` and BOS."""
    if find_spec("sentencepiece") is None:
        raise missing_extra(str(model_file), *_SENTENCEPIECE)
    from sentencepiece import SentencePieceProcessor
    from transformers import PreTrainedTokenizerFast

    try:
        pieces = SentencePieceProcessor(model_file=str(model_file))
    except RuntimeError:
        return loaded  # a tiktoken file under the same name: transformers has read it
    backend = _sentencepiece_backend(pieces)
    if any(backend.encode(text, add_special_tokens=False).ids != pieces.encode(text) for text in _SENTENCEPIECE_PROBES):
        raise ModelError(f"{model_file} cannot be converted exactly; bring a folder with tokenizer.json")
    later_tokens = [token for index, token in sorted(loaded.added_tokens_decoder.items()) if index >= len(pieces)]
    backend.add_special_tokens([pieces.id_to_piece(i) for i in range(len(pieces)) if pieces.is_control(i)])
    backend.add_tokens(later_tokens)
    tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        **{f"{key}_token": str(value) for key, value in _special_tokens(pieces, loaded).items()},
        add_bos_token=_configured_bos(model_file),
        chat_template=loaded.chat_template,
        model_max_length=loaded.model_max_length,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.name_or_path = loaded.name_or_path
    return tokenizer


def _sentencepiece_backend(pieces: "SentencePieceProcessor") -> "Tokenizer":
    from tokenizers import Tokenizer, decoders, models, normalizers

    vocabulary = {pieces.id_to_piece(index): index for index in range(len(pieces))}
    # Every way to cut a piece in two known pieces is a merge; the better the piece's score, the earlier it is made.
    merges = [
        (-pieces.get_score(index), vocabulary[piece[:cut]], vocabulary[piece[cut:]], (piece[:cut], piece[cut:]))
        for piece, index in vocabulary.items()
        for cut in range(1, len(piece))
        if piece[:cut] in vocabulary and piece[cut:] in vocabulary
    ]
    backend = Tokenizer(
        models.BPE(
            vocab=vocabulary,
            merges=[pair for *_, pair in sorted(merges)],
            unk_token=pieces.id_to_piece(pieces.unk_id()),
            fuse_unk=True,
            byte_fallback="<0x0A>" in vocabulary,
        )
    )
    prefixed = pieces.encode("a", out_type=str)[0].startswith("\u2581")
    prefix = [normalizers.Prepend("\u2581")] if prefixed else []
    strip = [decoders.Strip(" ", 1, 0)] if prefixed else []
    backend.normalizer = normalizers.Sequence([*prefix, normalizers.Replace(" ", "\u2581")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    return backend


def _special_tokens(pieces: "SentencePieceProcessor", loaded: "PreTrainedTokenizerBase") -> dict[str, str]:
    own = {"bos": pieces.bos_id(), "eos": pieces.eos_id(), "unk": pieces.unk_id(), "pad": pieces.pad_id()}
    known = {key: pieces.id_to_piece(index) for key, index in own.items() if index >= 0}
    named = {key: getattr(loaded, f"{key}_token") for key in own}
    return known | {key: str(token) for key, token in named.items() if token is not None}


def _configured_bos(model_file: Path) -> bool:
    """SentencePiece models of the Llama family expect BOS unless their configuration says otherwise."""
    try:
        return bool(read_json(model_file.with_name("tokenizer_config.json")).get("add_bos_token", True))
    except DataError:
        return True
