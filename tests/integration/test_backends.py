"""Every backend trains and validates through the command, each in a process of its own, and their losses agree.

Unsloth replaces methods of transformers class-wide: only a process that never imported it is a reference.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

# One process: for each base model a fit of one step (a new adapter is the identity, so its loss is that of the base
# model), then the same given adapter scored on the same records; then, where Unsloth is in, the refusal.
SCRIPT = """
import json, sys
from pathlib import Path

from text2sql_lightning.__main__ import main

job = json.loads(sys.argv[1])
found = {}
for name, model in job["models"].items():
    folder = Path(job["folder"]) / name
    assert main(["fit", *model["flags"], *job["backend"], "--output_dir", str(folder)]) == 0
    found[f"{name} train"] = json.loads((folder / "metrics.json").read_text())["train/loss"]
    meta = json.loads((folder / "run_meta.json").read_text())
    found[f"{name} meta"] = [meta["backend"], meta["quantization"], meta["status"]]
    found[f"{name} adapter"] = (folder / "adapters" / "adapter_model.safetensors").is_file()
    if model["adapter"]:
        score = ["--model.adapter_path", model["adapter"], "--output_dir", str(folder)]
        assert main(["validate", *model["flags"], *job["backend"], *score]) == 0
        found[f"{name} val"] = json.loads((folder / "validate" / "metrics.json").read_text())["val/loss"]
found["unsloth"] = "unsloth" in sys.modules
if found["unsloth"]:
    sys.stderr.write("the refusal:\\n")
    flags = job["models"]["llama"]["flags"]
    found["refused"] = main(["validate", *flags, "--model.backend", "transformers", "--output_dir", job["folder"]])
print(json.dumps(found))
"""

BACKENDS = {
    "dense": ("transformers", "none"),
    "nf4": ("transformers", "nf4"),
    "unsloth dense": ("unsloth", "none"),
    "unsloth nf4": ("unsloth", "nf4"),
    "unsloth packs": ("unsloth", "nf4"),
}
_PACKS = ["--data.packing", "shared_prefix"]


@pytest.fixture(scope="module")
def found(
    shell: Any, tiny: Any, tiny_run: Path, tiny_mistral_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What each backend has measured."""
    if find_spec("unsloth") is None:
        pytest.skip("unsloth is not installed; `make setup` installs it")
    short = [
        "--trainer.max_steps",
        "1",
        "--execution_accuracy.fit_examples",
        "0",
        "--sample_generations.num_samples",
        "0",
    ]
    llama = [*tiny.flags(Path("unused")), *short]
    models = {
        "llama": {"flags": llama, "adapter": str(tiny_run / "adapters")},
        "mistral": {"flags": [*llama, "--model.base_model", str(tiny_mistral_dir)], "adapter": None},
    }

    def measure(name: str) -> dict[str, Any]:
        backend, quantization = BACKENDS[name]
        job = {
            "folder": str(tmp_path_factory.mktemp("backend")),
            "backend": [
                "--model.backend",
                backend,
                "--model.quantization",
                quantization,
                *(_PACKS * ("packs" in name)),
            ],
            "models": models,
        }
        done = shell("-c", SCRIPT, json.dumps(job))
        assert done.returncode == 0, f"{name}: {done.stderr[-4000:]}"
        return {**json.loads(done.stdout.splitlines()[-1]), "stderr": done.stderr}

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(BACKENDS, pool.map(measure, BACKENDS), strict=True))


def test_every_backend_trains_and_validates(found: Any) -> None:
    for name, (backend, quantization) in BACKENDS.items():
        for model in ("llama", "mistral"):
            assert found[name][f"{model} meta"] == [backend, quantization, "completed"]
            assert found[name][f"{model} adapter"]


def test_the_reference_has_never_seen_unsloth(found: Any) -> None:
    assert {name: found[name]["unsloth"] for name in BACKENDS} == {
        "dense": False,
        "nf4": False,
        "unsloth dense": True,
        "unsloth nf4": True,
        "unsloth packs": True,
    }


@pytest.mark.parametrize("loss", ["llama train", "llama val", "mistral train"])
def test_losses_on_the_same_batch_agree(found: Any, loss: Any) -> None:
    losses = {name: found[name][loss] for name in BACKENDS}
    assert losses["unsloth dense"] == pytest.approx(losses["dense"], abs=1e-4)
    assert losses["unsloth nf4"] == pytest.approx(losses["nf4"], abs=1e-3)
    assert losses["nf4"] == pytest.approx(losses["dense"], abs=0.1)
    assert losses["nf4"] != losses["dense"]  # it was quantized


def test_unsloth_takes_packs(found: Any) -> None:
    assert found["unsloth packs"]["llama val"] == pytest.approx(found["unsloth nf4"]["llama val"], rel=1e-5)


def test_dense_loss_is_the_one_that_fit_saw(found: Any, tiny_run: Path, read_json: Any) -> None:
    assert found["dense"]["llama val"] == pytest.approx(read_json(tiny_run / "metrics.json")["val/loss"], abs=1e-5)


def test_transformers_is_refused_once_unsloth_is_imported(found: Any) -> None:
    for name in ("unsloth dense", "unsloth nf4"):
        assert found[name]["refused"] == 2
        lines = found[name]["stderr"].split("the refusal:\n")[1].splitlines()
        (line,) = [line for line in lines if line.startswith("error: ")]
        assert "model.backend transformers" in line
        assert "unsloth is already imported" in line
        assert "start a new process" in line
        assert "Traceback" not in "".join(lines)


def test_unsloth_after_transformers_is_refused(tiny: Any, text2sql: Any, tmp_path: Path) -> None:
    """This process has imported transformers long ago."""
    import transformers  # noqa: F401

    refused = text2sql("fit", *tiny.flags(tmp_path / "run"), "--model.backend", "unsloth")
    assert "model.backend unsloth: transformers is already imported" in refused.error
    assert not (tmp_path / "run").exists()
