"""The lines of the house: who may import whom, and what a file may be called and weigh."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = (  # the rooms of the house: a file may import from its own room and from those before it
    "runtime statistics views data encoders methods runs features diagnostics explanations training transfer "
    "figures catalog evaluation widgets reports cli app"
).split()
RANK = {name: rank for rank, name in enumerate(ORDER)} | {"__main__": ORDER.index("cli")}
IN_THE_ROOT = {"__init__.py", "__init__.pyi", "__main__.py", "py.typed"}
WITHOUT_TORCH = set("runtime statistics data runs diagnostics figures catalog evaluation reports cli".split())
WITHOUT_TORCH_TOO = {
    f"features/{name}.py" for name in ("__init__", "features", "columns", "evidence", "diagnosed", "passes")
}
WITHOUT_PLOTLY = {"diagnostics", "transfer", "explanations"}
FILES = sorted((ROOT / "sslviz").rglob("*.py"))
APP = sorted((ROOT / "app").rglob("*.py"))


def room(path):
    return path.relative_to(ROOT / "sslviz").with_suffix("").parts[0]


def module(path):
    """The dotted name of a file; that of a package is its folder's."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


KNOWN = {module(path) for path in FILES}


def without_torch(path):
    return room(path) in WITHOUT_TORCH or path.relative_to(ROOT / "sslviz").as_posix() in WITHOUT_TORCH_TOO


@cache
def imports(path, *, top_level_only):
    """The modules a file imports; inside functions and under TYPE_CHECKING too unless `top_level_only`."""
    found = set()

    def visit(node, inside):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            deferred = inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            if not (top_level_only and deferred):
                if isinstance(child, ast.Import):
                    found.update(alias.name for alias in child.names)
                elif isinstance(child, ast.ImportFrom):
                    full = {f"{child.module}.{alias.name}" for alias in child.names}
                    found.update(full & KNOWN or {child.module})  # a module of a room, or names that it hands on
            visit(child, deferred)

    visit(ast.parse(path.read_text()), False)
    return frozenset(found)


def test_the_rooms_are_those_of_the_design():
    lying_flat = {path.name for path in (ROOT / "sslviz").iterdir() if path.is_file()}
    assert lying_flat <= IN_THE_ROOT
    assert {room(path) for path in FILES} - {"__init__"} <= set(RANK)
    assert all(path.with_name("__init__.py").exists() for path in FILES), "a room has an __init__.py, which hands on"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_run_one_way(path):
    """Also those inside functions: what a function needs later is still a need."""
    if path.parent == ROOT / "sslviz" and path.name == "__init__.py":
        return
    for name in imports(path, top_level_only=False):
        parts = name.split(".")
        if parts[0] == "sslviz" and len(parts) > 1 and parts[1] in RANK:
            assert RANK[parts[1]] <= RANK[room(path)], f"{path.name} imports {name}, which stands above it"


def test_no_module_imports_itself_on_a_way_round():
    known = {module(path): path for path in FILES}
    needs = {
        name: {found for found in imports(path, top_level_only=False) if found in known and found != name}
        for name, path in known.items()
        if name != "sslviz"
    }
    done = set()

    def visit(name, above):
        assert name not in above, " -> ".join([*above[above.index(name) :], name])
        if name not in done:
            for other in sorted(needs.get(name, ())):
                visit(other, [*above, name])
            done.add(name)

    for name in sorted(needs):
        visit(name, [])


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_rooms_keep_their_doors_shut(path):
    everywhere = {name.split(".")[0] for name in imports(path, top_level_only=False)}
    at_top = {name.split(".")[0] for name in imports(path, top_level_only=True)}
    assert "streamlit" not in everywhere or room(path) == "cli"
    if without_torch(path):
        assert not at_top & {"torch", "timm", "torchvision", "lightning_fabric"}
    if room(path) in WITHOUT_PLOTLY:
        assert "plotly" not in everywhere
    assert not everywhere & {"ipywidgets", "anywidget"} or room(path) == "widgets"
    assert "umap" not in at_top


def test_rooms_without_torch_do_not_load_it():
    """One by one in one process: the first that loads it is named."""
    code = "import sys\nfrom importlib import import_module\nfor name in sys.argv[1:]:\n"
    code += "    import_module(name)\n    assert 'torch' not in sys.modules, f'{name} loads torch'"
    names = [module(path) for path in FILES if without_torch(path) and room(path) != "__main__"]
    subprocess.run([sys.executable, "-c", code, *names], check=True)


def test_the_package_alone_loads_nothing_heavy():
    code = "import sys, sslviz; print(sorted({'torch', 'pandas', 'numpy', 'plotly', 'sklearn'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_sizes_and_names():
    banned = {"utils", "common", "helpers", "base", "core", "misc"}
    lengths = []
    for path in [*FILES, *APP]:
        text = path.read_text()
        assert path.stem not in banned
        assert text.count("\n") <= (80 if path.parent.name == "app_pages" else 400), path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                doc = (ast.get_docstring(node, clean=False) or "").count("\n")
                lengths.append(node.end_lineno - node.lineno + 1 - doc)
    lengths.sort()
    assert lengths[len(lengths) // 2] <= 12 and lengths[int(0.9 * len(lengths))] <= 35


def test_weights_and_arrays_are_never_read_as_pickles():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called, given = ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
                if called == "torch.load":
                    assert given.get("weights_only") == "True", path
                if called == "np.load":
                    assert given.get("allow_pickle") == "False", path
        assert "pickle.load" not in path.read_text()
        # one class that knows nothing but containers and stand-ins; tests/encoders/test_weight_files.py attacks it
        readers = {"bounded_unpickler.py", "pickled_tensors.py", "torch_files.py"}
        assert "Unpickler(" not in path.read_text() or path.name in readers
