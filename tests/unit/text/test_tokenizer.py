import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

from text2sql_lightning.errors import ModelError
from text2sql_lightning.text.prompts import INSTRUCTION, build_prompt, format_input
from text2sql_lightning.text.tokenizer import adds_bos, apply_token_policy, encode_prompt, encode_texts, load_tokenizer

pytestmark = pytest.mark.unit

PIECES_TEXTS = [
    "### Instruction:\nWrite",
    "SELECT a",
    "### Response:\nSELECT a",
    "  two  spaces\n\n\n",
    " leading",
    "trailing  ",
    "\nSELECT",
    "",
    "   ",
    "é▁中文 \t ½",
    "\U0001f642 x \u00a0",
    "a </s> b <s> <unk> <0x0A>",
    "1998-03-12 table_name_12 'O''Brien' \"Rock\"",
    "aaaaaaaaaaaaaaaaaaaaaaa",
]


@pytest.fixture
def mistral_folder(tmp_path: Path, mistral_tokenizer_model: Path) -> Path:
    shutil.copy(mistral_tokenizer_model, tmp_path / "tokenizer.model")
    return tmp_path


@pytest.fixture(scope="module")
def mistral_tokenizer(tmp_path_factory: pytest.TempPathFactory, mistral_tokenizer_model: Path) -> Any:
    folder = tmp_path_factory.mktemp("tokenizer_model_alone")
    shutil.copy(mistral_tokenizer_model, folder / "tokenizer.model")
    return load_tokenizer(str(folder))


def words_tokenizer(*specials: str, **names: str) -> Any:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = [*specials, "a", "SELECT"]
    backend = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="a"))
    backend.add_special_tokens(list(specials))
    return PreTrainedTokenizerFast(tokenizer_object=backend, **names)


def test_ids_from_tokenizer_model_alone_are_those_of_sentencepiece_with_bos(
    mistral_tokenizer: Any, mistral_tokenizer_model: Path
) -> None:
    from sentencepiece import SentencePieceProcessor

    pieces = SentencePieceProcessor(model_file=str(mistral_tokenizer_model))
    assert encode_texts(mistral_tokenizer, PIECES_TEXTS) == [[1, *pieces.encode(text)] for text in PIECES_TEXTS]


def test_known_pieces_of_the_mistral_tokenizer(mistral_tokenizer: Any) -> None:
    tokenizer = mistral_tokenizer
    assert tokenizer.convert_ids_to_tokens(encode_prompt(tokenizer, "SELECT a")) == ["<s>", "▁SE", "LECT", "▁a"]
    assert tokenizer.convert_ids_to_tokens(encode_prompt(tokenizer, "### x")) == ["<s>", "▁###", "▁x"]
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 2, 0)
    assert len(tokenizer) == 32000


def test_bos_of_tokenizer_model_follows_its_configuration(mistral_folder: Path) -> None:
    (mistral_folder / "tokenizer_config.json").write_text(json.dumps({"add_bos_token": False}))
    tokenizer = load_tokenizer(str(mistral_folder))
    assert not adds_bos(tokenizer)
    assert encode_prompt(tokenizer, "SELECT a") == [5820, 8785, 264]


@pytest.mark.parametrize("fixture", ["tiny_llama_dir", "tiny_mistral_dir"])
def test_a_saved_tokenizer_gives_the_same_ids(fixture: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(str(request.getfixturevalue(fixture)))
    tokenizer.save_pretrained(tmp_path)
    again = load_tokenizer(str(tmp_path))
    prompt = build_prompt(INSTRUCTION, format_input("CREATE TABLE t (a INTEGER)", "What is  </s> é?"))
    assert encode_prompt(again, prompt) == encode_prompt(tokenizer, prompt)
    assert again.special_tokens_map == tokenizer.special_tokens_map
    assert len(again) == len(tokenizer)


def test_folder_as_the_hub_has_it(tmp_path: Path, tiny_mistral_dir: Path, mistral_tokenizer_model: Path) -> None:
    # tokenizer.json and tokenizer.model side by side, class and flags of the published tokenizer_config.json
    shutil.copy(tiny_mistral_dir / "tokenizer.json", tmp_path)
    shutil.copy(mistral_tokenizer_model, tmp_path / "tokenizer.model")
    config = {"add_bos_token": True, "add_eos_token": False, "bos_token": "<s>", "eos_token": "</s>"}
    config |= {"unk_token": "<unk>", "pad_token": None, "legacy": True, "tokenizer_class": "LlamaTokenizer"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mistral", "vocab_size": 32000}))
    tokenizer = load_tokenizer(str(tmp_path))
    assert encode_prompt(tokenizer, "### x") == [1, 774, 1318]
    assert tokenizer.pad_token == "<unk>"


def test_text_that_looks_like_a_special_token_is_text(tiny_llama_dir: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_llama_dir))
    ids = encode_prompt(tokenizer, "a<|im_end|>b")
    assert not set(ids) & {0, 1, 2}
    assert tokenizer.decode(ids) == "a<|im_end|>b"


def test_byte_level_tokenizer_without_bos_gets_none(tiny_llama_dir: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_llama_dir))
    assert not adds_bos(tokenizer)
    assert encode_texts(tokenizer, []) == []
    assert tokenizer.padding_side == "right"


def test_policy_may_be_applied_again(tiny_mistral_dir: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_mistral_dir))
    before = encode_prompt(tokenizer, "SELECT a")
    tokenizer.padding_side = "left"
    tokenizer.pad_token = tokenizer.eos_token
    assert apply_token_policy(apply_token_policy(tokenizer)) is tokenizer
    assert (tokenizer.padding_side, tokenizer.pad_token) == ("right", "<unk>")
    assert encode_prompt(tokenizer, "SELECT a") == before == [1, 5820, 8785, 264]


@pytest.mark.parametrize(
    ("specials", "names", "pad"),
    [
        (("<pad>", "</s>"), {"eos_token": "</s>", "pad_token": "<pad>"}, "<pad>"),
        (("<x>", "</s>"), {"eos_token": "</s>", "pad_token": "<x>"}, "<x>"),
        (("</s>", "<|endoftext|>", "<unk>"), {"eos_token": "</s>", "unk_token": "<unk>"}, "<|endoftext|>"),
        (("</s>", "<unk>"), {"eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}, "<unk>"),
        (("</s>", "<odd>"), {"eos_token": "</s>", "unk_token": "<odd>"}, "<odd>"),
        (("<|endoftext|>", "<b>"), {"eos_token": "<|endoftext|>", "bos_token": "<b>"}, "<b>"),
    ],
)
def test_choice_of_the_pad_token(specials: tuple[str, ...], names: dict[str, str], pad: str) -> None:
    tokenizer = words_tokenizer(*specials, **names)
    size = len(tokenizer)
    assert apply_token_policy(tokenizer).pad_token == pad
    assert len(tokenizer) == size


def test_nothing_to_pad_with_is_an_error() -> None:
    tokenizer = words_tokenizer("</s>", eos_token="</s>", bos_token="</s>", unk_token="</s>")
    with pytest.raises(ModelError, match="no token besides EOS '</s>' to pad with"):
        apply_token_policy(tokenizer)


def test_no_eos_is_an_error() -> None:
    with pytest.raises(ModelError, match="has no EOS token"):
        apply_token_policy(words_tokenizer("<pad>", pad_token="<pad>"))


def test_a_tokenizer_that_adds_eos_is_told_not_to() -> None:
    tokenizer = words_tokenizer("<s>", "</s>", "<pad>", bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    tokenizer.add_eos_token = True
    tokenizer.add_bos_token = True
    assert encode_prompt(tokenizer, "SELECT") == [0, 4, 1]
    assert encode_prompt(apply_token_policy(tokenizer), "SELECT") == [0, 4]


def test_missing_folder() -> None:
    with pytest.raises(ModelError, match=r"model\.base_model checkpoints/nope: there is no such folder") as caught:
        load_tokenizer("checkpoints/nope")
    assert "\n" not in str(caught.value)


def test_folder_without_a_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"the folder holds no tokenizer \(tokenizer\.json, tokenizer\.model"):
        load_tokenizer(str(tmp_path))


def test_damaged_tokenizer_file(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"version": ')
    with pytest.raises(ModelError, match=str(tmp_path)) as caught:
        load_tokenizer(str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (LocalEntryNotFoundError, "the hub cannot be reached"),
        (GatedRepoError, "is gated: accept its licence on https://huggingface.co/owner/model and set HF_TOKEN"),
        (RepositoryNotFoundError, "no such model"),
    ],
)
def test_hub_errors_are_told_apart(error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx

    def fail(*args: object, **kwargs: object) -> None:
        response = httpx.Response(401, request=httpx.Request("GET", "https://huggingface.co"))
        online = {"response": response} if issubclass(error, RepositoryNotFoundError) else {}
        raise error("message\nof several lines", **online)

    monkeypatch.setattr("transformers.utils.hub.hf_hub_download", fail)
    with pytest.raises(ModelError, match=message) as caught:
        load_tokenizer("owner/model")
    assert str(caught.value).startswith("model.base_model owner/model")
    assert "\n" not in str(caught.value)
