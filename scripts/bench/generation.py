"""Generation beside transformers' `generate` on a CPU: `make bench SPIDER=dir`, or `generation.py --help`.

Both answer the same questions of Spider dev greedily, whole schemas in the prompt, in processes of their own and by
turns. The peer gets its prompts sorted by length and padded at the left, in batches of its best size. Answers have to
be the same but where the two most likely tokens are closer than 1e-4, or where the peer's token is not the most likely
one in float32: on some processors bitsandbytes multiplies 4-bit weights in bfloat16. Both are listed.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any, Final

from common import prepare_report, run_or_work, run_part, side_by_side, side_by_side_text
from peers import load_transformers
from tqdm import tqdm

from text2sql_lightning.commands.console import OneLineParser, run_command
from text2sql_lightning.constants import EMBEDDED_BASE_MODEL
from text2sql_lightning.errors import ConfigError, RunError
from text2sql_lightning.files.atomic import write_json
from text2sql_lightning.runs.run_meta import peak_memory_bytes

_SIZES: Final = (32, 64, 96)
_OUR_SIZE: Final = 96
_TIE: Final = 1e-4


def main(args: list[str] | None = None) -> int:
    """Run the comparison; returns the exit status."""
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--spider_dir", type=Path, required=True, help="Spider's dev.json and tables.json")
    add("--model", type=Path, default=Path(EMBEDDED_BASE_MODEL), help="folder of the base model")
    add("--adapter_dir", type=Path, required=True, help="adapter of a run: its answers end by themselves")
    add("--examples", type=int, default=96, help="questions, of whole databases drawn with a seed")
    add("--max_new_tokens", type=int, default=96)
    add("--quantization", nargs="+", choices=("nf4", "none"), default=["nf4", "none"])
    add("--rounds", type=int, default=3, help="runs of each, by turns; medians count")
    add("--out", type=Path, default=Path("reports/bench.json"))
    options = parser.parse_args(args)
    return run_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    if options.rounds < 2:
        raise ConfigError(f"--rounds is {options.rounds}; the first finds the peer's best size, give at least 2")
    prompts = spider_prompts(options.spider_dir, options.examples)
    results = prepare_report(options.out, options.model)
    for quantization in options.quantization:
        results[f"generation: Spider dev, {quantization}"] = result = compare(prompts, quantization, options)
        write_json(options.out, results)
        print(_line(quantization, result), flush=True)
        if result["differ"]:
            raise RunError(f"benchmark: {result['differ']} answers differ, and not because of a tie: see {options.out}")
    return 0


def _line(quantization: str, result: dict[str, Any]) -> str:
    return (
        f"generation, {quantization}: {side_by_side_text(result)}; of {result['n']} answers on "
        f"{result['databases']} databases {result['same']} are the same, {result['ties']} ties, "
        f"{result['rounded']} where the peer's rounding chose, {result['differ']} others"
    )


def spider_prompts(folder: Path, count: int) -> list[str]:
    """Build prompts of whole databases of Spider dev, drawn with a seed, until there are enough."""
    from text2sql_lightning.benchmarks.spider import load_spider
    from text2sql_lightning.commands.spider import spider_questions
    from text2sql_lightning.inference.baselines import project_prompt

    spider = load_spider(folder)
    names = sorted({example.db_id for example in spider.examples})
    rank = {name: place for place, name in enumerate(Random(42).sample(names, len(names)))}
    chosen = sorted(spider.examples, key=lambda example: rank[example.db_id])[:count]
    return [project_prompt(question) for question in spider_questions(spider, chosen)]


def compare(prompts: list[str], quantization: str, options: argparse.Namespace) -> dict[str, Any]:
    """Answer with both, by turns: the first round finds the peer's best size."""
    with tempfile.TemporaryDirectory() as name:
        job = {
            "model": str(options.model.resolve()),
            "quantization": quantization,
            "prompts": str(Path(name) / "prompts"),
            "adapter": str(options.adapter_dir.resolve()),
            "max_new_tokens": options.max_new_tokens,
            "out": str(Path(name) / "out.json"),
            "check": None,
        }
        Path(job["prompts"]).write_text(json.dumps(prompts), encoding="utf-8")
        answers = Path(name) / "ours.json"
        with tqdm(total=2 * options.rounds + len(_SIZES) - 1, desc=f"generation, {quantization}", unit="run") as bar:
            ours = [_process("ours", job | {"size": _OUR_SIZE}, bar)]
            sizes = {size: _process("peer", job | {"size": size}, bar) for size in _SIZES}
            best = min(sizes, key=lambda size: sizes[size]["seconds"])
            theirs = [sizes[best]]
            answers.write_text(json.dumps(ours[0]["answers"]), encoding="utf-8")
            for left in range(options.rounds - 1, 0, -1):
                ours.append(_process("ours", job | {"size": _OUR_SIZE}, bar))
                check = str(answers) if left == 1 else None
                theirs.append(_process("peer", job | {"size": best, "check": check}, bar))
    schemas = {prompt.split("### Question")[0] for prompt in prompts}
    return {**_summary(ours, theirs, best, len(prompts)), "databases": len(schemas)}


def _summary(ours: list[Any], theirs: list[Any], best: int, count: int) -> dict[str, Any]:
    rates = {side: [count / run["seconds"] for run in runs] for side, runs in (("ours", ours), ("peer", theirs))}
    gaps = theirs[-1]["gaps"]
    left = [gap for gap in gaps.values() if gap["distance"] is not None]  # a place where the answers part
    ties = sum(gap["distance"] < _TIE for gap in left)
    rounded = sum(gap["distance"] >= _TIE and gap["ours_is_best"] for gap in left)
    return {
        **side_by_side(rates, ours, theirs),
        "n": count,
        "batch_size": {"ours": _OUR_SIZE, "peer": best},
        "tokens": {"ours": ours[0]["tokens"], "peer": theirs[0]["tokens"]},
        "same": count - len(gaps),
        "ties": ties,
        "rounded": rounded,
        "differ": len(gaps) - ties - rounded,
        "gaps": gaps,
    }


def _process(side: str, job: dict[str, Any], bar: Any) -> Any:
    result = run_part(__file__, job, side)
    bar.update()
    return result


def answer_ours(job: dict[str, Any]) -> dict[str, Any]:
    """Answer as `text2sql predict` does."""
    import torch

    from text2sql_lightning.inference.generator import BuiltinEngine, Generator
    from text2sql_lightning.modeling.backends import LoadRequest
    from text2sql_lightning.modeling.settings import GenerationSettings

    prompts = _prompts(job)
    request = LoadRequest(
        base_model=job["model"],
        quantization=job["quantization"],
        adapter_path=Path(job["adapter"]),
        compute_dtype=torch.float32,
        device=torch.device("cpu"),
    )
    generator = Generator(BuiltinEngine.load(request, "transformers"))
    settings = GenerationSettings(max_new_tokens=job["max_new_tokens"], batch_size=job["size"])
    started = time.perf_counter()
    answers = generator.generate(prompts, settings)
    return {
        "seconds": time.perf_counter() - started,
        "peak_mib": peak_memory_bytes() / 2**20,
        "answers": [[answer.token_ids, answer.sql] for answer in answers],
        "tokens": sum(answer.num_tokens for answer in answers),
    }


def answer_peer(job: dict[str, Any]) -> dict[str, Any]:
    """Answer with `generate`, as transformers' documentation shows it; `check` holds another's answers to these."""
    import torch
    import transformers
    from transformers import AutoTokenizer

    from text2sql_lightning.text.sql_cleaning import ensure_sql_only

    prompts = _prompts(job)
    model = _load_peer(job, exact=False)
    tokenizer: Any = AutoTokenizer.from_pretrained(job["model"], padding_side="left")
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    written: dict[int, list[int]] = {}
    started = time.perf_counter()
    with torch.inference_mode():
        for start in range(0, len(order), job["size"]):
            part = order[start : start + job["size"]]
            batch = tokenizer([prompts[place] for place in part], return_tensors="pt", padding=True)
            limit, width = job["max_new_tokens"], batch["input_ids"].shape[1]
            ids = model.generate(**batch, do_sample=False, max_new_tokens=limit, pad_token_id=tokenizer.pad_token_id)
            written |= dict(zip(part, ids[:, width:].tolist(), strict=True))
        seconds = time.perf_counter() - started
        eos = tokenizer.eos_token_id
        result: dict[str, Any] = {
            "seconds": seconds,
            "peak_mib": peak_memory_bytes() / 2**20,
            "versions": {"transformers": transformers.__version__},
            "tokens": sum(ids.index(eos) + 1 if eos in ids else len(ids) for ids in written.values()),
        }
        if job["check"]:
            model = _load_peer(job, exact=True)
            result["gaps"] = {
                str(place): _gap(model, tokenizer, prompts[place], written[place], other)
                for place, (other, sql) in enumerate(json.loads(Path(job["check"]).read_text(encoding="utf-8")))
                if sql != ensure_sql_only(tokenizer.decode(written[place], skip_special_tokens=True))
            }
    return result


def _load_peer(job: dict[str, Any], *, exact: bool) -> Any:
    """Load model and adapter; `exact` with the same 4-bit weights written out in float32."""
    import torch
    from peft import PeftModel

    nf4 = job["quantization"] == "nf4"
    model = load_transformers(job["model"], nf4=nf4, dtype=torch.float32)
    if exact and nf4:
        model = model.dequantize().float()
    return PeftModel.from_pretrained(model, job["adapter"]).eval()


def _gap(model: Any, tokenizer: Any, prompt: str, ids: list[int], other: list[int]) -> dict[str, Any]:
    """Return how far apart the two best logits are where other ids leave these, and whether they take the best."""
    import torch

    texts = [tokenizer.decode(part, skip_special_tokens=True) for part in (ids, other)]
    start = tokenizer(prompt, return_tensors="pt")["input_ids"]
    for place, (peers, ours) in enumerate(zip(ids, other, strict=False)):  # both may go on after their statement
        if peers != ours:
            logits = model(torch.cat([start, torch.tensor([ids[:place]], dtype=start.dtype)], 1)).logits[0, -1]
            (best, second), (token, _) = (part.tolist() for part in logits.topk(2))
            return {"distance": best - second, "ours_is_best": token == ours, "texts": texts}
    return {"distance": None, "ours_is_best": False, "texts": texts}


def _prompts(job: dict[str, Any]) -> list[str]:
    prompts: list[str] = json.loads(Path(job["prompts"]).read_text(encoding="utf-8"))
    return prompts


if __name__ == "__main__":
    run_or_work(main, {"ours": answer_ours, "peer": answer_peer})
