"""Every package that is imported is declared, and every declared one is imported."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
OWN = {"sslviz"} | {path.stem for path in (ROOT / "app").iterdir()}  # the app's rooms are imported by their names
NEVER_IMPORTED = {
    "pyarrow": "pandas reads and writes parquet with it",
    "jupyterlab": "opens the lessons",
    "kaleido": "plotly draws the lessons' pictures with it",
    "pytest-xdist": "runs the tests in processes",
    "mypy": "is a command",
    "ruff": "is a command",
    "pandas-stubs": "types for mypy",
    "onnxscript": "torch exports with it",
}
ONLY_COMPARED_WITH = {
    "pycocotools",
    "kornia",
    "faiss",
    "lightly",
    "skdim",
    "solo",
}  # by benchmarks, and by scripts that made fixtures


@cache
def imported(folder):
    """The top-level names of packages that the files of a folder import anywhere, but Python's own."""
    names = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add(node.module.partition(".")[0])
    return frozenset(names - set(sys.stdlib_module_names) - OWN)


def declared(requirements):
    """The distributions that requirements name, those of our own extras included."""
    found = set()
    for requirement in requirements:
        name, extras = re.fullmatch(r"([A-Za-z0-9_.-]+)(?:\[(.*?)\])?.*", requirement).groups()
        if name == "sslviz":
            for extra in extras.split(","):
                found |= declared(EXTRAS[extra])
        else:
            found.add(name.lower())
    return found


def distributions(modules):
    known = packages_distributions()
    return {module: {name.lower().replace("_", "-") for name in known.get(module, [module])} for module in modules}


def test_what_the_library_imports_is_declared():
    allowed = declared(PROJECT["dependencies"]) | set().union(
        *(declared(EXTRAS[e]) for e in ("notebooks", "audit", "torchdr", "heic", "transformers", "onnx"))
    )
    for module, names in distributions(imported("sslviz")).items():
        assert names & allowed, f"sslviz imports {module}, which no dependency brings: {sorted(names)}"


@pytest.mark.parametrize(("folder", "extra"), [("app", "app"), ("tests", "test")])
def test_what_app_and_tests_import_is_declared(folder, extra):
    allowed = declared(PROJECT["dependencies"]) | declared(EXTRAS[extra])
    own = {path.stem for path in (ROOT / "tests").rglob("*.py")}  # scripts that lie beside each other
    for module, names in distributions(imported(folder) - own - ONLY_COMPARED_WITH).items():
        assert names & allowed, f"{folder} imports {module}, which [{extra}] does not bring: {sorted(names)}"


def test_what_is_declared_is_imported():
    names = set().union(*distributions(imported("sslviz") | imported("app") | imported("tests")).values())
    every = declared(PROJECT["dependencies"]) | set().union(*(declared(given) for given in EXTRAS.values()))
    unused = every - names - set(NEVER_IMPORTED)
    assert not unused, f"declared, but imported nowhere: {sorted(unused)}"
    assert set(NEVER_IMPORTED) <= every
