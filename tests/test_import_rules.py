"""Imports run one way; heavy packages are imported inside functions; only commands print."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.unit

PACKAGE = Path(__file__).parents[1] / "text2sql_lightning"
FILES = sorted(PACKAGE.rglob("*.py"))

BOTTOM = {"errors", "constants", "files"}
FOUNDATION = {*BOTTOM, "text", "sql"}
ALLOWED = {
    "errors": set(),
    "constants": set(),
    "files": {"errors"},
    "text": {*BOTTOM},
    "sql": {*BOTTOM, "text"},
    "benchmarks": {*FOUNDATION, "data.sources"},
    "prepare": {*FOUNDATION, "benchmarks", "data.records", "data.sources"},
    "evaluation": {*FOUNDATION, "benchmarks"},
    "data": {*FOUNDATION},
    "modeling": {*FOUNDATION},
    "inference": {*FOUNDATION, "modeling", "evaluation.result_match"},
    "module": {*FOUNDATION, "modeling", "inference", "evaluation"},
    "tune": {*FOUNDATION, "modeling", "inference", "evaluation"},
    "runs": {*FOUNDATION},
    "callbacks": {*FOUNDATION, "runs", "inference", "evaluation", "module"},
}
"""What a folder or module may import, besides itself. Those that are not listed (commands, ...) may import anything."""

ENTRANCES = {"commands", "export", "serve", "ui", "__main__", "__init__"}
"""Nobody imports these."""

HEAVY = {"transformers", "peft", "unsloth", "bitsandbytes", "wandb", "datasets", "streamlit", "trl", "vllm"}
OWN_FILES = {"wandb": {"callbacks/wandb_run.py"}}
"""Optional packages that are asked for in these files alone."""
PURE = {"text", "sql", "prepare", "benchmarks", *BOTTOM}
PRINTERS = {"commands", "__main__"}


def modules_of(tree: Any, top_level: Any = False, typing: bool = True) -> Any:
    """The modules that a file imports: also inside functions, unless `top_level`, and for types, unless told not to."""
    found = []
    pending = list(ast.iter_child_nodes(tree))
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.append(node.module)
            found += [f"{node.module}.{alias.name}" for alias in node.names]
        elif (top_level and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)) or (
            (top_level or not typing) and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        ):
            continue
        pending += ast.iter_child_nodes(node)
    return found


def room_of(path: Any) -> Any:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def own_edges(path: Any) -> Any:
    """The files and rooms of this package that a file imports, as `room` or `room.file`."""
    prefix = "text2sql_lightning."
    names = [
        name.removeprefix(prefix)
        for name in modules_of(ast.parse(path.read_text(encoding="utf-8")))
        if name.startswith(prefix)
    ]
    return {".".join(name.split(".")[:2]) for name in names}


def backward_edges(room: Any, edges: Any) -> Any:
    if room not in ALLOWED:
        return {edge for edge in edges if edge.split(".")[0] in ENTRANCES - {room}}
    allowed = ALLOWED[room]
    return {edge for edge in edges if edge.split(".")[0] not in {*allowed, room} and not is_within(edge, allowed)}


def is_within(edge: Any, allowed: Any) -> Any:
    """`inference` may import `evaluation.result_match`; the bare `evaluation` is the same import's first half."""
    return edge in allowed or any(name.startswith(f"{edge}.") for name in allowed)


def test_files_are_found() -> None:
    assert len(FILES) > 60
    rooms = {room_of(path) for path in FILES}
    assert rooms <= {*ALLOWED, *ENTRANCES}, "a new room: say in ALLOWED what it may import"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_file(path: Any) -> None:
    room, tree = room_of(path), ast.parse(path.read_text(encoding="utf-8"))
    assert backward_edges(room, own_edges(path)) == set()
    top = {name.split(".")[0] for name in modules_of(tree, top_level=True)}
    assert top & HEAVY == set(), "import it inside the function that needs it"
    if room in PURE:
        assert top & {"torch", "lightning", "torchmetrics"} == set()
    prints = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    relative = str(path.relative_to(PACKAGE))
    assert not prints or room in PRINTERS or relative in PRINTERS, f"print in lines {prints}"


@pytest.mark.parametrize("package", sorted(OWN_FILES))
def test_optional_package(package: Any) -> None:
    using = {
        str(path.relative_to(PACKAGE))
        for path in FILES
        if package in {name.split(".")[0] for name in modules_of(ast.parse(path.read_text(encoding="utf-8")))}
    }
    assert using == OWN_FILES[package]


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Imports inside functions count too: a knot of two files is one file in two places."""
    parts = {path: path.relative_to(PACKAGE.parent).with_suffix("").parts for path in FILES}
    names = {".".join(parts[path]).removesuffix(".__init__"): path for path in FILES}
    graph = {
        name: set(names) & set(modules_of(ast.parse(path.read_text(encoding="utf-8")), typing=False))
        for name, path in names.items()
    }
    TopologicalSorter(graph).prepare()


def test_nobody_imports_the_entrances() -> None:
    for path in FILES:
        if room_of(path) in ENTRANCES:
            continue
        assert {edge for edge in own_edges(path) if edge.split(".")[0] in ENTRANCES} == set(), path


@pytest.mark.parametrize(
    ("room", "edge", "backward"),
    [
        ("text", "sql.schema", True),
        ("sql", "text.prompts", False),
        ("data", "modeling.loss", True),
        ("modeling", "data.records", True),
        ("evaluation", "data.records", True),
        ("inference", "evaluation.result_match", False),
        ("inference", "evaluation.results", True),
        ("inference", "data.records", True),
        ("module", "evaluation.results", False),
        ("module", "data.records", True),
        ("callbacks", "commands.cli", True),
        ("callbacks", "data.records", True),
        ("callbacks", "evaluation.results", False),
        ("files", "text.prompts", True),
        ("runs", "text.prompts", False),
        ("runs", "data.records", True),
        ("commands", "data.records", False),
    ],
)
def test_the_rule_itself(room: Any, edge: Any, backward: Any) -> None:
    assert bool(backward_edges(room, {edge})) is backward


def test_top_level_is_told_from_functions() -> None:
    source = (
        "import a\nif TYPE_CHECKING:\n    import b\ndef f():\n    import c\nclass D:\n    import d\n"
        "try:\n    import e\nexcept ImportError: pass"
    )
    tree = ast.parse(source)
    assert set(modules_of(tree, top_level=True)) == {"a", "d", "e"}
    assert set(modules_of(tree)) == {"a", "b", "c", "d", "e"}
