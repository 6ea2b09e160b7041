"""Generation held against transformers' own and against one prompt at a time, and when an answer ends."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from text2sql_lightning.inference import generation, generator, prefix_cache
from text2sql_lightning.inference.generation import Generation, generate_samples
from text2sql_lightning.inference.generator import BuiltinEngine, Generator
from text2sql_lightning.modeling.cpu import generation_attention
from text2sql_lightning.modeling.settings import GenerationSettings
from text2sql_lightning.text.tokenizer import encode_prompt, load_tokenizer

pytestmark = pytest.mark.integration


def generate_sql(model: Any, tokenizer: Any, prompts: list[str], settings: GenerationSettings) -> list[Generation]:
    return Generator(BuiltinEngine(model, tokenizer)).generate(prompts, settings)


PROMPTS = ["SELECT", "How many singers are older than thirty years?\n" * 3, "Which city? ", "a", "### Response:\n"]


@pytest.fixture(scope="module")
def tokenizer(tiny_llama_dir: Path) -> Any:
    return load_tokenizer(str(tiny_llama_dir))


@pytest.fixture(scope="module")
def model(tiny_llama_dir: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(tiny_llama_dir, dtype=torch.float32).eval()


@pytest.fixture
def no_early_end(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Answers end at EOS or at the limit only, as transformers ends them."""
    monkeypatch.setattr(generation, "is_complete", lambda text: False)


def reference(model: Any, tokenizer: Any, prompt: Any, limit: Any) -> Any:
    ids = torch.tensor([list(encode_prompt(tokenizer, prompt))])
    with torch.no_grad():
        whole = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=limit, pad_token_id=0
        )
    return tokenizer.decode(whole[0, ids.shape[1] :], skip_special_tokens=True)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_same_text_as_transformers_at_any_batch_size(
    model: Any, tokenizer: Any, no_early_end: Any, batch_size: Any
) -> None:
    answers = generate_sql(model, tokenizer, PROMPTS, GenerationSettings(max_new_tokens=12, batch_size=batch_size))
    assert [answer.raw for answer in answers] == [reference(model, tokenizer, prompt, 12) for prompt in PROMPTS]
    assert len({answer.raw for answer in answers}) > 1
    assert all(answer.num_tokens == 12 and not answer.finished for answer in answers)


class Scripted(torch.nn.Module):
    """A model that writes given tokens: row by row, whatever is asked, known by the prompt's last token."""

    def __init__(self, scripts: Any) -> None:
        super().__init__()
        self.scripts, self.widths, self.step = scripts, [], 0
        self.embedding = torch.nn.Embedding(600, 1)
        self.config = SimpleNamespace()

    def get_input_embeddings(self) -> Any:
        return self.embedding


def run_scripted(monkeypatch: pytest.MonkeyPatch, tokenizer: Any, scripts: Any, settings: Any) -> Any:
    """Answer one prompt for each script; the cache holds which script a line belongs to."""
    model = Scripted(scripts)
    prompts = sorted((f"prompt {index}" for index in range(len(scripts))), key=lambda text: ids(tokenizer, text))

    class Cache:
        lines = None
        written = 0

        def batch_select_indices(self, index: Any) -> Any:
            self.lines = [self.lines[line] for line in index.tolist()]

    first = iter(range(len(scripts)))

    def decode(input_ids: Any, past_key_values: Any, **_: Any) -> Any:
        cache = past_key_values
        if cache.lines is None:
            cache.lines = [next(first) for _ in range(input_ids.shape[0])]
        model.widths.append(len(cache.lines))
        tokens = [scripts[line][cache.written] if cache.written < len(scripts[line]) else 5 for line in cache.lines]
        cache.written += 1
        return SimpleNamespace(last_hidden_state=torch.tensor(tokens, dtype=torch.float)[:, None, None])

    monkeypatch.setattr("transformers.DynamicCache", Cache)
    for module in (generation, prefix_cache, generation_attention):
        monkeypatch.setattr(module, "decoder_of", lambda _: decode)
    monkeypatch.setattr(
        generation, "project", lambda _, hidden: torch.nn.functional.one_hot(hidden[:, 0].long(), 600).float()
    )
    return generate_sql(model, tokenizer, prompts, settings), model


def ids(tokenizer: Any, text: Any) -> Any:
    return tokenizer(text)["input_ids"]


def test_an_answer_ends_with_its_statement_with_eos_or_at_the_limit(
    monkeypatch: pytest.MonkeyPatch, tokenizer: Any
) -> None:
    texts = ["SELECT 1; and then more", "SELECT 2", "SELECT " + "3" * 60]
    scripts = [ids(tokenizer, text) for text in texts]
    scripts[1].append(tokenizer.eos_token_id)
    answers, _ = run_scripted(monkeypatch, tokenizer, scripts, GenerationSettings(max_new_tokens=30, batch_size=8))
    assert [answer.finished for answer in answers] == [True, True, False]
    assert [answer.sql for answer in answers[:2]] == ["SELECT 1", "SELECT 2"]
    assert "and then more" not in answers[0].raw
    assert answers[1].raw == "SELECT 2"
    assert answers[1].token_ids == tuple(scripts[1])
    assert answers[1].num_tokens == len(scripts[1])  # EOS counts
    assert answers[2].num_tokens == 30


def test_finished_rows_leave_the_batch_and_answers_stay_with_their_prompts(
    monkeypatch: pytest.MonkeyPatch, tokenizer: Any
) -> None:
    texts = [f"SELECT {index}{'0' * (6 * index)}" for index in range(6)]
    scripts = [[*ids(tokenizer, text), tokenizer.eos_token_id] for text in texts]
    answers, model = run_scripted(monkeypatch, tokenizer, scripts, GenerationSettings(max_new_tokens=99, batch_size=6))
    assert [answer.sql for answer in answers] == texts
    assert model.widths[0] == 6
    assert model.widths[-1] < 3  # compacted on the way
    assert len(model.widths) == max(map(len, scripts))  # and no step more than the longest needs


def test_no_prompts(model: Any, tokenizer: Any) -> None:
    assert generate_sql(model, tokenizer, [], GenerationSettings()) == []


def test_a_limit_of_one_token(model: Any, tokenizer: Any) -> None:
    (answer,) = generate_sql(model, tokenizer, ["a"], GenerationSettings(max_new_tokens=1))
    assert answer.num_tokens == 1


SCHEMAS = [f"CREATE TABLE {name} ({name}_id INTEGER, name VARCHAR)" for name in ("singer", "ship", "singing")]
ASKED = [f"{schema}\nQuestion {number}" for schema in SCHEMAS for number in range(4)]
ASKED += ["CREATE", "CREATE TABLE singer"]  # what others begin with


@pytest.mark.parametrize(("most_tokens", "group_cost"), [(1, 0), (40, 0), (40, 128), (512, 0), (512, 30)])
@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_shared_prefixes_change_no_answer(
    monkeypatch: pytest.MonkeyPatch,
    model: Any,
    tokenizer: Any,
    no_early_end: Any,
    most_tokens: int,
    batch_size: int,
    group_cost: int,
) -> None:
    monkeypatch.setattr(prefix_cache, "_MOST_TOKENS", most_tokens)
    monkeypatch.setattr(prefix_cache, "_GROUP_COST", group_cost)
    answers = generate_sql(model, tokenizer, ASKED, GenerationSettings(max_new_tokens=9, batch_size=batch_size))
    assert [answer.raw for answer in answers] == [reference(model, tokenizer, prompt, 9) for prompt in ASKED]


def test_rows_that_leave_take_nothing_from_others(
    monkeypatch: pytest.MonkeyPatch, model: Any, tokenizer: Any, no_early_end: Any
) -> None:
    """Answers end after different numbers of tokens, so that groups shrink and vanish on the way."""
    monkeypatch.setattr(prefix_cache, "_GROUP_COST", 0)
    limits = [1 + number * 3 % 11 for number in range(len(ASKED))]
    seen: list[int] = []
    keep = generation_attention.SharedPrefixes.select

    def select(self: Any, rows: Any) -> Any:
        kept = keep(self, rows)
        seen.append(len(kept.counts))
        return kept

    monkeypatch.setattr(generation_attention.SharedPrefixes, "select", select)
    monkeypatch.setattr(generation._TokenLoop, "_ends", lambda _, row: len(row.new_ids) >= limits[row.index])
    answers = generate_sql(model, tokenizer, ASKED, GenerationSettings(max_new_tokens=12, batch_size=64))
    expected = [reference(model, tokenizer, prompt, limit) for prompt, limit in zip(ASKED, limits, strict=True)]
    assert [answer.raw for answer in answers] == expected
    assert len(set(seen)) > 1


def test_each_shared_token_is_read_once(monkeypatch: pytest.MonkeyPatch, model: Any, tokenizer: Any) -> None:
    read: list[int] = []
    handle = model.model.register_forward_pre_hook(
        lambda _, __, kwargs: read.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    prompts = [f"{SCHEMAS[0]}\nQuestion {number}" for number in range(9)]
    for most_tokens in (30, 512):
        monkeypatch.setattr(prefix_cache, "_MOST_TOKENS", most_tokens)
        read.clear()
        generate_sql(model, tokenizer, prompts, GenerationSettings(max_new_tokens=1, batch_size=4))
        assert sum(read) == len(encode_prompt(tokenizer, prompts[0])) + 8  # all but the last token of each is shared
    handle.remove()


def test_a_window_shorter_than_the_prompts_is_respected(tokenizer: Any, no_early_end: Any) -> None:
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    windowed = MistralForCausalLM(
        MistralConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            sliding_window=8,
            bos_token_id=1,
            eos_token_id=2,
        )
    ).eval()
    assert not prefix_cache.shares_prefixes(windowed, 9)
    assert prefix_cache.shares_prefixes(windowed, 8)
    answers = generate_sql(windowed, tokenizer, ASKED[:3], GenerationSettings(max_new_tokens=6, batch_size=1))
    assert [answer.raw for answer in answers] == [reference(windowed, tokenizer, prompt, 6) for prompt in ASKED[:3]]


def test_samples_depend_on_prompt_and_number_alone(model: Any, tokenizer: Any) -> None:
    settings = GenerationSettings(max_new_tokens=8, batch_size=3, temperature=1.0, num_samples=4)
    together = generate_samples(model, tokenizer, ASKED, settings)
    assert [len(answers) for answers in together] == [4] * len(ASKED)
    assert len({answer.raw for answers in together for answer in answers}) > 40
    for number in (0, 7):
        alone = generate_samples(model, tokenizer, [ASKED[number]], settings)
        assert [answer.raw for answer in alone[0]] == [answer.raw for answer in together[number]]
    fewer = generate_samples(model, tokenizer, ASKED[:2], GenerationSettings(8, 64, temperature=1.0, num_samples=2))
    assert [[answer.raw for answer in answers] for answers in fewer] == [
        [answer.raw for answer in answers[:2]] for answers in together[:2]
    ]
    other_seed = generate_samples(
        model, tokenizer, ASKED[:1], GenerationSettings(8, temperature=1.0, num_samples=2, seed=1)
    )
    assert other_seed[0][0].raw != fewer[0][0].raw


def test_a_low_temperature_is_greedy(model: Any, tokenizer: Any) -> None:
    greedy = generate_sql(model, tokenizer, PROMPTS, GenerationSettings(max_new_tokens=8))
    cold = generate_sql(model, tokenizer, PROMPTS, GenerationSettings(max_new_tokens=8, temperature=1e-4))
    narrow = generate_sql(model, tokenizer, PROMPTS, GenerationSettings(max_new_tokens=8, temperature=1.0, top_p=1e-9))
    assert greedy == cold == narrow


@pytest.mark.parametrize("num_beams", [2, 4])
def test_beams_are_those_of_transformers(model: Any, tokenizer: Any, no_early_end: Any, num_beams: int) -> None:
    answers = generate_sql(model, tokenizer, PROMPTS, GenerationSettings(max_new_tokens=8, num_beams=num_beams))
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        ids = torch.tensor([list(encode_prompt(tokenizer, prompt))])
        with torch.no_grad():
            whole = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                num_beams=num_beams,
                do_sample=False,
                max_new_tokens=8,
                pad_token_id=0,
            )
        assert answer.raw == tokenizer.decode(whole[0, ids.shape[1] :], skip_special_tokens=True)


def test_all_beams_where_one_of_them_is_to_be_chosen(model: Any, tokenizer: Any, no_early_end: Any) -> None:
    settings = GenerationSettings(max_new_tokens=8, batch_size=8, num_beams=4, choice="first_executable")
    found = generate_samples(model, tokenizer, PROMPTS, settings)
    for prompt, answers in zip(PROMPTS, found, strict=True):
        ids = torch.tensor([list(encode_prompt(tokenizer, prompt))])
        with torch.no_grad():
            whole = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                num_beams=4,
                num_return_sequences=4,
                do_sample=False,
                max_new_tokens=8,
                pad_token_id=0,
            )
        texts = tokenizer.batch_decode(whole[:, ids.shape[1] :], skip_special_tokens=True)
        assert [answer.raw for answer in answers] == texts


def test_the_most_likely_beam_that_runs(
    monkeypatch: pytest.MonkeyPatch, model: Any, tokenizer: Any, no_early_end: Any
) -> None:
    settings = GenerationSettings(max_new_tokens=8, num_beams=3, choice="first_executable")
    (beams, *_) = generate_samples(model, tokenizer, PROMPTS[:1], settings)
    monkeypatch.setattr(generator, "choose", lambda answers, databases, choice, timeout_s: len(answers) - 1)
    assert generate_sql(model, tokenizer, PROMPTS[:1], settings) == beams[-1:]


def test_a_beam_ends_with_its_statement(monkeypatch: pytest.MonkeyPatch, model: Any, tokenizer: Any) -> None:
    monkeypatch.setattr(generation, "is_complete", lambda text: len(text) >= 3)
    answers = generate_sql(model, tokenizer, PROMPTS, GenerationSettings(max_new_tokens=30, num_beams=2))
    assert all(answer.finished and answer.num_tokens < 30 for answer in answers)
