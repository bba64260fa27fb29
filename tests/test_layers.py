"""The lines of the house: who may import whom, and what a file may be called and weigh."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOUNDATION = {"files", "progress", "scores", "images", "folders", "decoding", "timm_datasets", "drawing", "worlds"}
FOUNDATION |= {"specs", "features", "runs", "corruptions", "generators"}
ORDER = [  # a module may import from its own rank and from those before it
    FOUNDATION,
    {"views", "encoders", "weights", "foreign"},
    {"methods"},
    {"embed", "batches", "maps", "diagnostics"},
    {"pretrain", "transfer"},
    {"figures"},
    {"catalog", "standalone"},
    {"evidence"},
    {"diagnose"},
    {"demo", "explain", "explain_page", "terminal", "listing", "widgets"},
    {"plans", "findings", "audit", "audit_page", "gates"},
    {"commands", "cli", "__main__"},
]
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}
WITHOUT_TORCH = FOUNDATION | {
    "diagnostics",
    "figures",
    "catalog",
    "evidence",
    "diagnose",
    "demo",
    "standalone",
    "explain",
    "explain_page",
    "terminal",
    "audit",
    "audit_page",
    "findings",
    "gates",
    "plans",
    "listing",
    "commands",
    "cli",
    "foreign",
}
FILES = sorted((ROOT / "sslviz").rglob("*.py"))


def room(path):
    parts = path.relative_to(ROOT / "sslviz").with_suffix("").parts
    return parts[0]


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
                    found.add(child.module)
                    found.update(f"{child.module}.{alias.name}" for alias in child.names)
            visit(child, deferred)

    visit(ast.parse(path.read_text()), False)
    return found


def test_every_file_has_a_room():
    assert {room(f) for f in FILES} - {"__init__"} <= set(RANK)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_run_one_way(path):
    if room(path) == "__init__":
        return
    for name in imports(path, top_level_only=True):
        parts = name.split(".")
        if parts[0] == "sslviz" and len(parts) > 1:
            assert RANK[parts[1]] <= RANK[room(path)], f"{path.name} imports {name}, which stands above it"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_rooms_keep_their_doors_shut(path):
    everywhere = {name.split(".")[0] for name in imports(path, top_level_only=False)}
    at_top = {name.split(".")[0] for name in imports(path, top_level_only=True)}
    assert "streamlit" not in everywhere or path.name == "cli.py"
    if room(path) in WITHOUT_TORCH:
        assert not at_top & {"torch", "timm", "torchvision", "lightning_fabric"}
    if room(path) in {"diagnostics", "maps"}:
        assert "plotly" not in everywhere
    assert "ipywidgets" not in everywhere or path.name == "widgets.py"
    assert "umap" not in at_top


@pytest.mark.parametrize("module", sorted(WITHOUT_TORCH - {"audit"}))
def test_rooms_without_torch_do_not_load_it(module):
    code = f"import sys, sslviz.{module}; assert 'torch' not in sys.modules, 'torch was loaded'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_package_alone_loads_nothing_heavy():
    code = "import sys, sslviz; print(sorted({'torch', 'pandas', 'numpy', 'plotly', 'sklearn'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_sizes_and_names():
    banned = {"utils", "common", "helpers", "base", "core", "misc"}
    lengths = []
    for path in [*FILES, *(ROOT / "app").rglob("*.py")]:
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
