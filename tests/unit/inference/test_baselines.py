from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.errors import ConfigError, DataError, ModelError
from text2sql_lightning.inference.baselines import (
    ChatTokenizer,
    Question,
    Shot,
    chat_messages,
    chat_prompt,
    choose_shots,
    project_prompt,
)
from text2sql_lightning.text.prompts import INSTRUCTION, build_prompt, format_input
from text2sql_lightning.text.tokenizer import encode_texts, load_tokenizer

pytestmark = pytest.mark.unit

CONTEXT = "CREATE TABLE t (a INTEGER)"
QUESTION = Question(CONTEXT, "How many?")
SHOTS = [Shot(Question(f"CREATE TABLE s{i} (b TEXT)", f"Question {i}?"), f"SELECT b FROM s{i}") for i in range(6)]

TURNS = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


@pytest.fixture
def tokenizer(tiny_llama_dir: Path) -> Any:
    loaded: Any = load_tokenizer(str(tiny_llama_dir))
    loaded.chat_template = TURNS
    return loaded


def test_project_prompt_is_the_prompt_of_training() -> None:
    own = build_prompt(INSTRUCTION, format_input(CONTEXT, "How many?"))
    assert project_prompt(QUESTION) == own
    shown = project_prompt(QUESTION, SHOTS[:2])
    assert shown.endswith(f"### Response:\nSELECT b FROM s1\n\n{own}")
    assert shown.count("### Response:\n") == 3


def test_chat_messages() -> None:
    messages = chat_messages(QUESTION, SHOTS[:1])
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert messages[1]["content"] == "SELECT b FROM s0"
    assert messages[2]["content"].startswith(INSTRUCTION)
    assert messages[2]["content"].endswith(format_input(CONTEXT, "How many?"))


def test_chat_prompt_ends_where_the_answer_begins(tokenizer: Any) -> None:
    prompt = chat_prompt(tokenizer, QUESTION, SHOTS[:1])
    assert prompt.startswith("<|im_start|>user\n")
    assert prompt.endswith("<|im_end|>\n<|im_start|>assistant\n")
    assert prompt.count("<|im_start|>") == 4


def test_special_tokens_of_a_conversation_count_and_its_turn_ends_an_answer(tokenizer: Any) -> None:
    chat = ChatTokenizer(tokenizer)
    prompt = chat_prompt(tokenizer, QUESTION)
    ids = encode_texts(chat, [prompt])[0]
    assert ids == tokenizer.apply_chat_template(
        chat_messages(QUESTION), add_generation_prompt=True, tokenize=True, return_dict=False
    )
    assert ids.count(1) == 2
    assert ids.count(2) == 1
    assert encode_texts(tokenizer, [prompt])[0].count(2) == 0  # taken literally in this project's own prompt
    assert (chat.eos_token_id, chat.pad_token_id) == (2, 0)


def test_another_end_of_turn_than_eos_is_found(tokenizer: Any) -> None:
    tokenizer.chat_template = TURNS.replace("<|im_end|>", "<|endoftext|>")
    assert ChatTokenizer(tokenizer).eos_token_id == 0
    tokenizer.chat_template = TURNS.replace("<|im_end|>", "")
    assert ChatTokenizer(tokenizer).eos_token_id == 2


def test_no_template_or_one_that_fails_is_one_line(tokenizer: Any) -> None:
    tokenizer.chat_template = "{{ raise_exception('no') }}"
    with pytest.raises(ModelError, match="the chat template of"):
        chat_prompt(tokenizer, QUESTION)
    tokenizer.chat_template = None
    with pytest.raises(ModelError, match="has no chat template; use --prompt project"):
        ChatTokenizer(tokenizer)


def test_shots_are_seeded_and_never_evaluated() -> None:
    chosen = choose_shots(SHOTS, 3, avoid=[], seed=1)
    assert chosen == choose_shots(SHOTS, 3, avoid=[], seed=1)
    assert chosen != choose_shots(SHOTS, 3, avoid=[], seed=2)
    avoid = [Question("", "  QUESTION 0 "), Question("", "question 1!")]
    for seed in range(9):
        assert {shot.question.text for shot in choose_shots(SHOTS, 4, avoid=avoid, seed=seed)} == {
            f"Question {i}?" for i in range(2, 6)
        }
    assert choose_shots(SHOTS, 0, avoid=[], seed=1) == []


def test_wrong_counts() -> None:
    with pytest.raises(DataError, match="only 6 examples that are not evaluated"):
        choose_shots(SHOTS, 7, avoid=[], seed=0)
    with pytest.raises(ConfigError, match="--few_shot is -1"):
        choose_shots(SHOTS, -1, avoid=[], seed=0)
