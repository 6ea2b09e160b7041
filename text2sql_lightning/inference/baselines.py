"""A fair baseline: the base model asked in the form that it was made for, everything else being equal.

A base model has never seen this project's prompt; asked with it, it looks worse than it is. Under `chat` it gets its
own chat template, if wanted with examples from the training data, and the same token limit, stop rule and cleaning.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from text2sql_lightning.errors import ConfigError, DataError, ModelError
from text2sql_lightning.text.prompts import INSTRUCTION, build_prompt, format_input

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PromptStyle = Literal["project", "chat"]

_ANSWER_ONLY: Final = "Answer with the SQL query alone, for SQLite, without an explanation."
_PROBE: Final = "SELECT 1 FROM probe_of_the_end"


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        context: The schema as CREATE TABLE text.
        text: The question in words.
        instruction: What to do.
    """

    context: str
    text: str
    instruction: str = INSTRUCTION


@dataclass(frozen=True)
class Shot:
    """An example that is shown before the question, with its answer."""

    question: Question
    sql: str


def choose_shots(candidates: Sequence[Shot], count: int, *, avoid: Sequence[Question], seed: int) -> list[Shot]:
    """Draw examples to show, none of them with a question that is evaluated.

    Args:
        candidates: Examples of the training data.
        count: How many.
        avoid: The evaluated questions.
        seed: Same seed, same examples.

    Raises:
        ConfigError: The count is negative.
        DataError: There are too few candidates.
    """
    if count < 0:
        raise ConfigError(f"--few_shot is {count}; it must be 0 or more")
    evaluated = {_normalized(question.text) for question in avoid}
    free = [shot for shot in candidates if _normalized(shot.question.text) not in evaluated]
    if len(free) < count:
        raise DataError(f"--few_shot {count}: the train file has only {len(free)} examples that are not evaluated")
    return Random(f"few_shot/{seed}").sample(free, count)


def project_prompt(question: Question, shots: Sequence[Shot] = ()) -> str:
    """Write the prompt of training, after as many answered ones as there are shots."""
    shown = [f"{_project_prompt(shot.question)}{shot.sql}\n\n" for shot in shots]
    return "".join(shown) + _project_prompt(question)


def chat_messages(question: Question, shots: Sequence[Shot] = ()) -> list[dict[str, str]]:
    """Write a conversation: each shot a question of the user's and an answer, then the question.

    There is no system message: several templates (Mistral, Gemma) refuse one.
    """
    messages = []
    for shot in shots:
        messages += [_message("user", _chat_text(shot.question)), _message("assistant", shot.sql)]
    return [*messages, _message("user", _chat_text(question))]


def chat_prompt(tokenizer: "PreTrainedTokenizerBase", question: Question, shots: Sequence[Shot] = ()) -> str:
    """Render a conversation with the model's own template, up to where its answer begins.

    Raises:
        ModelError: The tokenizer has no chat template, or one that does not take the conversation.
    """
    return _render(tokenizer, chat_messages(question, shots), add_generation_prompt=True)


def ask_with(
    style: PromptStyle,
    tokenizer: "PreTrainedTokenizerBase",
    questions: Sequence[Question],
    shots: Sequence[Shot] = (),
) -> "tuple[PreTrainedTokenizerBase, list[str], str]":
    """Write the prompts of questions.

    Returns:
        The tokenizer that reads the prompts, the prompts, and the SHA-256 of the chat template where one is used.

    Raises:
        ModelError: The tokenizer has no chat template, or one that does not take the conversation.
    """
    if style == "project":
        return tokenizer, [project_prompt(question, shots) for question in questions], ""
    prompts = [chat_prompt(tokenizer, question, shots) for question in questions]
    template = sha256(str(tokenizer.chat_template).encode()).hexdigest()
    return cast("PreTrainedTokenizerBase", ChatTokenizer(tokenizer)), prompts, template


class ChatTokenizer:
    """A tokenizer that reads rendered conversations: their special tokens count, and a turn's end ends an answer.

    Everything else is the wrapped tokenizer's.

    Args:
        tokenizer: A tokenizer from `load_tokenizer`, with a chat template.

    Raises:
        ModelError: It has none.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        self._tokenizer = tokenizer
        self.eos_token_id = _end_of_turn(tokenizer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def __call__(self, texts: Sequence[str], **settings: Any) -> Any:
        """Encode conversations; the template has written BOS itself."""
        settings |= {"split_special_tokens": False, "add_special_tokens": False}
        return self._tokenizer(texts, **settings)


def _end_of_turn(tokenizer: "PreTrainedTokenizerBase") -> int:
    """Find the special token behind an answer: some models have another one than EOS (Phi, Gemma)."""
    rendered = _render(tokenizer, [_message("user", "?"), _message("assistant", _PROBE)], add_generation_prompt=False)
    rest = rendered.partition(_PROBE)[2]
    ids = tokenizer(rest, add_special_tokens=False, split_special_tokens=False)["input_ids"]
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    return next((int(token) for token in ids if token in special), int(tokenizer.eos_token_id))


def _render(
    tokenizer: "PreTrainedTokenizerBase", messages: list[dict[str, str]], *, add_generation_prompt: bool
) -> str:
    if not getattr(tokenizer, "chat_template", None):
        raise ModelError(
            f"--prompt chat: the tokenizer of {tokenizer.name_or_path} has no chat template; use --prompt project, or "
            "an instruct model"
        )
    try:
        rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=add_generation_prompt)
    except Exception as error:  # a template is a program: it may raise anything
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"--prompt chat: the chat template of {tokenizer.name_or_path} fails ({reason})") from error
    return str(rendered)


def _project_prompt(question: Question) -> str:
    return build_prompt(question.instruction, format_input(question.context, question.text))


def _chat_text(question: Question) -> str:
    return f"{question.instruction} {_ANSWER_ONLY}\n\n{format_input(question.context, question.text)}"


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _normalized(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())
