"""README and docs name no link, anchor, file, command, flag or make target that does not exist."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "configs" / "README.md",
    ROOT / "data" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]  # (docs/history speaks of other times)
LIGHTNING = ("fit", "validate", "test", "predict")
OTHERS = {  # flags of other programs that the pages mention
    "--local-dir",
    "--help",
    "--version",
    "--gres",
    "--nodes",
    "--hypothesis-profile",
    "--no-deps",
    "--nproc_per_node",
    "--nnodes",
    "--node_rank",
    "--trainer",  # a group of LightningCLI, which takes a file
    "--logdir",  # TensorBoard
    "--plug_value",  # the official evaluator of Spider
    "--keep_distinct",
}
MADE = ("outputs/", "reports/", "data/processed", "data/shop", "data/mixed", "checkpoints/", "logs/", "spider/")
MADE += ("codes-", "validate/", "test/", "predict/", "adapters/", "notebooks/", "database/")
"""Folders that commands make, or that a reader has."""


def test_pages_are_found() -> None:
    assert len(PAGES) > 12


def anchors_of(page: Path) -> set[str]:
    """Anchors as GitHub makes them of headings."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors_of(linked), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files(page: Path) -> None:
    for name in re.findall(
        r"(?<![\w/.-])((?:[\w.-]+/)+[\w.-]+\.(?:py|yaml|sh|md|json|toml|ipynb|j2))(?![\w/])", code_of(page)
    ):
        if name.startswith(MADE) or "..." in name:
            continue
        bases = (ROOT, ROOT / "text2sql_lightning", ROOT / "configs", page.parent)
        assert any((base / name).exists() for base in bases), f"{page.name} names {name}"


def code_of(page: Path) -> str:
    """The text between backticks, blocks and words; not of diffs, which another test applies."""
    text = re.sub(r"```diff\n.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    blocks = re.findall(r"```[^\n]*\n(.*?)```", text, re.DOTALL)
    words = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return "\n".join([*blocks, *words])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands(page: Path) -> None:
    from text2sql_lightning.__main__ import COMMANDS

    code = code_of(page)
    for name in re.findall(r"^(?:\S*=\S* )*text2sql (\w+)", code, re.MULTILINE):
        assert name in COMMANDS, f"{page.name}: text2sql {name}"
    for target in re.findall(r"^make ([\w-]+)", code, re.MULTILINE):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), f"{page.name}: make {target}"


@cache
def known_flags() -> frozenset[str]:
    """Flags of every command and script, and of the programs of OTHERS."""
    from text2sql_lightning.__main__ import COMMANDS

    commands = [[sys.executable, "-m", "text2sql_lightning", name] for name in COMMANDS if name not in LIGHTNING]
    commands.append([sys.executable, str(ROOT / "scripts" / "train_qlora.py")])
    texts = [subprocess.run([*one, "--help"], capture_output=True, text=True, check=False).stdout for one in commands]
    texts += [path.read_text(encoding="utf-8") for path in [ROOT / "Makefile", *sorted(ROOT.glob("scripts/*/*.py"))]]
    options = re.findall(r"--([a-z_]+(?:\.\w+)*)", (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8"))
    groups = {name.rsplit(".", depth)[0] for name in options for depth in (1, 2)}
    return frozenset(
        {*re.findall(r"--[\w.-]+", "\n".join(texts)), *(f"--{name}" for name in {*options, *groups}), *OTHERS}
    )


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name != "configuration.md"], ids=lambda page: page.name
)
def test_flags(page: Path) -> None:
    lines = [
        line
        for line in code_of(page).splitlines()
        if not re.match(r"\s*(pip|git|hf|wandb|torchrun|srun|sbatch|vllm|pytest|ruff|mypy)\b", line)
    ]
    wanted = {flag.rstrip(".-") for line in lines for flag in re.findall(r"(?<![\w-])--[a-zA-Z][\w.-]*", line)}
    unknown = {flag for flag in wanted if flag not in known_flags() and not flag.startswith("--trainer.")}
    assert unknown == set(), page.name


def test_the_site_builds(tmp_path: Path) -> None:
    """Strict: a broken link or anchor, or a name that the API page does not find, is an error."""
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "from_adapter" in (tmp_path / "site" / "api" / "index.html").read_text(encoding="utf-8")
