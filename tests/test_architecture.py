"""The layers import one way only and never in a circle, heavy libraries wait until used, nothing reads outside."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("simulator", "models", "experiments")
HEAVY = ("pandas", "matplotlib", "scipy.stats", "pyarrow")
IMPORT_LIMIT_MB = 130
OUTSIDE = re.compile(r"(?<![\w.)])/(?:work|tmp|home|root|usr|opt|etc|var|mnt|Users)/|\.\./|(?<!\w)~/|file://")


def sources() -> dict[str, Path]:
    """Dotted name of every module of the packages -> its file."""
    names = {}
    for layer in LAYERS:
        for path in sorted((ROOT / layer).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def imported(source: str, module: str, known: set[str], *, is_package: bool = False) -> Iterator[str]:
    """Every module of `known` that `source` imports: anywhere in it, inside functions and for type checking too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (nearest for alias in node.names if (nearest := longest_known(alias.name, known)))
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node, module, is_package)
            for alias in node.names:
                if target := longest_known(f"{base}.{alias.name}", known):
                    yield target


def absolute(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    """Dotted name of the module that a `from` import names, its leading dots resolved."""
    if not node.level:
        return node.module or ""
    up = node.level - 1 if is_package else node.level
    parts = module.split(".")
    return ".".join([*parts[: len(parts) - up], *([node.module] if node.module else [])])


def longest_known(name: str, known: set[str]) -> str | None:
    """`a.b.c` or the longest prefix of it that is a module of the project."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name or None


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """Module -> modules of the project that it imports."""
    files = sources()
    return {
        module: set(imported(path.read_text("utf-8"), module, set(files), is_package=path.name == "__init__.py"))
        for module, path in files.items()
    }


def layer(module: str) -> int:
    return LAYERS.index(module.partition(".")[0])


def test_every_layer_is_looked_at(imports: dict[str, set[str]]) -> None:
    assert {module.partition(".")[0] for module in imports} == set(LAYERS)


def test_imports_go_from_experiments_to_models_to_simulator(imports: dict[str, set[str]]) -> None:
    upward = [f"{a} imports {b}" for a, targets in imports.items() for b in sorted(targets) if layer(b) > layer(a)]
    assert upward == []


def test_no_module_imports_in_a_circle(imports: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_the_reader_of_imports_sees_every_form() -> None:
    source = """
import models.topic as t
from models import consumer, System
def late():
    from simulator import streams
if TYPE_CHECKING:
    from .faults import Fault
    from . import books
import json
"""
    known = {"models", "models.topic", "models.consumer", "models.faults", "models.books", "simulator.streams"}
    assert set(imported(source, "models.system", known)) == known


def in_fresh_python(program: str) -> str:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def test_importing_models_and_simulator_leaves_the_heavy_libraries_out() -> None:
    modules = ", ".join(module for module in sources() if layer(module) < layer("experiments"))
    loaded = in_fresh_python(f"import sys, {modules}; print([name for name in {HEAVY} if name in sys.modules])")
    assert loaded.strip() == "[]"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read where only Linux keeps it")
def test_importing_models_and_simulator_takes_little_memory() -> None:
    status = in_fresh_python("import models, simulator; print(open('/proc/self/status').read())")
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak is not None
    assert int(peak[1]) / 1024 <= IMPORT_LIMIT_MB


def test_no_file_of_the_packages_names_a_place_outside_the_project() -> None:
    files = [path for layer in LAYERS for end in ("py", "toml") for path in (ROOT / layer).rglob(f"*.{end}")]
    named = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if OUTSIDE.search(line)
    ]
    assert named == []


@pytest.mark.parametrize("line", ['open("/home/me/data.csv")', 'Path("../shared")', 'Path("~/x")', '"file:///x"'])
def test_a_place_outside_is_recognised(line: str) -> None:
    assert OUTSIDE.search(line)


@pytest.mark.parametrize("line", ["messages / work / s", '"consumers.payment/service"', "from .topic import Topic"])
def test_what_only_looks_like_a_place_outside_is_not(line: str) -> None:
    assert not OUTSIDE.search(line)
