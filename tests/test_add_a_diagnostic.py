"""What it costs to add a diagnostic: its function, its figure, its line in the catalog, and its test; nothing else.

The made-up diagnostic below is written as its author would write it, and is then found in every place that shows
diagnostics.
"""

import dataclasses
import json
import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location

import pytest

import sslviz
from sslviz import catalog
from sslviz.cli.main import main
from sslviz.evaluation.answers import is_stored
from sslviz.evaluation.questions import scored_and_fit
from sslviz.features.diagnosed import stored_evidence
from sslviz.reports.audit.page import audit_page
from sslviz.reports.audit.plan import make_plan

FUNCTION = '''
"""Row lengths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sslviz.features import Features
from sslviz.statistics import Score


@dataclass(frozen=True, eq=False)
class RowLength:
    """How long are the rows?"""

    length: float

    def scores(self) -> dict[str, Score]:
        """`length`, beside rows of length one."""
        return {"length": Score(self.length, controls={"unit rows": 1.0}, higher_is_better=None)}


def row_length(features: Features) -> RowLength:
    """How long are the rows?  Their mean length.

    Caveat: A length says nothing of what a row holds.
    """
    return RowLength(float(np.linalg.norm(features.x, axis=1).mean()))
'''
FIGURE = '''
"""Figure of row lengths."""

import plotly.graph_objects as go

from sslviz.figures.parts import theme


def row_length(results, *, colors=None):
    """How long are the rows?"""
    named = theme.as_dict(results)
    fig = go.Figure(go.Bar(x=list(named), y=[result.length for result in named.values()]))
    return theme.finish(fig, alt="Row lengths", caption="Bars: mean length of the rows.")
'''
ENTRY = catalog.Entry(
    name="row_length",
    question="How long are the rows?",
    home="diagnostics.geometry.row_length",
    control="rows of length one",
    page="geometry",
    section=catalog.sections.GEOMETRY,
)


@pytest.fixture(scope="module", autouse=True)
def added(tmp_path_factory):
    """The four files: two of them lie beside the package, one is a line of the catalog, and this is the fourth."""
    folder, modules = tmp_path_factory.mktemp("added"), {}
    for name, text in (
        ("sslviz.diagnostics.geometry.row_length", FUNCTION),
        ("sslviz.figures.geometry.row_length", FIGURE),
    ):
        path = folder / f"{name}.py"
        path.write_text(text)
        spec = spec_from_file_location(name, path)
        assert isinstance(spec, ModuleSpec)
        modules[name] = module_from_spec(spec)
        sys.modules[name] = modules[name]
        spec.loader.exec_module(modules[name])
    before, catalog.CATALOG = catalog.CATALOG, (*catalog.CATALOG, ENTRY)
    vars(sslviz).pop("__all__", None)
    yield
    catalog.CATALOG = before
    for name in modules:
        del sys.modules[name]
    for name in ("row_length", "__all__"):
        vars(sslviz).pop(name, None)


@pytest.fixture(scope="module")
def folder(added, tmp_path_factory):
    """A folder of one run, pretrained for an epoch and diagnosed."""
    folder = tmp_path_factory.mktemp("runs")
    images = sslviz.shapes(n=300, size=16, seed=0)
    scored, fit = scored_and_fit(images)
    run = sslviz.pretrain(images.split("train"), out=folder / "mine", epochs=1, batch_size=64, progress=False)
    sslviz.diagnose(run, scored, fit=fit, only=["collapse", "row_length"], progress=False)
    return folder


def test_it_is_public_drawn_and_explained():
    import numpy as np

    assert "row_length" in sslviz.__all__ and "row_length" in dir(sslviz)
    result = sslviz.row_length(sslviz.Features.from_array(2 * np.eye(4)))
    assert result.scores()["length"].value == 2
    assert sslviz.draw({"mine": result}).layout.meta["alt"] == "Row lengths"
    assert ENTRY.caveat == "A length says nothing of what a row holds."


def test_it_is_in_the_readmes_table():
    row = next(line for line in catalog.readme_table().splitlines() if "`row_length`" in line)
    assert "How long are the rows?" in row and "rows of length one" in row


def test_its_result_is_stored_and_printed_by_the_command_line(folder, tmp_path, capsys):
    run = sslviz.Run(folder / "mine")
    evidence = stored_evidence(run, run.last, next(iter(run.info["diagnosed"])))
    assert is_stored(run, ENTRY, evidence)
    main(["list", "diagnostics"])
    assert "row_length" in capsys.readouterr().out
    images, scores = "shapes:n=300,size=16,seed=0", tmp_path / "scores.json"
    main(["diagnose", str(run.path), "--images", images, "--only", "row_length", "--json", str(scores)])
    assert "row_length" in capsys.readouterr().out
    assert json.loads(scores.read_text())["mine"]["row_length"]["length"]["control"] == 1


def test_it_is_in_the_report_with_its_figure_and_caveat(folder, tmp_path):
    run = sslviz.Run(folder / "mine")
    scored, fit = scored_and_fit(sslviz.shapes(n=300, size=16, seed=0))
    everything = [entry.name for entry in catalog.diagnostics() if entry.name not in ("row_length", "collapse")]
    plan = dataclasses.replace(
        make_plan(scored.table, label="shape", attributes=["color"], maps=0),
        skip=tuple(everything),
        despite_collapse=True,
    )
    report = sslviz.audit(run, scored, fit=fit, plan=plan, progress=False)
    assert report["runs"]["mine"]["scores"]["row_length"]["length"]["control"] == 1
    assert [drawn["diagnostic"] for drawn in report["figures"]] == ["collapse", "row_length"]
    html = audit_page(report)
    assert "How long are the rows?" in html and ENTRY.caveat in html and "Row lengths" in html


def test_it_is_on_its_page_of_the_app(folder, monkeypatch):
    from pathlib import Path

    from streamlit.testing.v1 import AppTest

    main_module = sys.modules["__main__"]
    monkeypatch.setenv("SSLVIZ_RUNS", str(folder))
    app = AppTest.from_file(str(Path(__file__).parents[1] / "app" / "main.py"), default_timeout=120).run()
    app.switch_page("app_pages/geometry.py").run()
    sys.modules["__main__"] = main_module
    assert not app.exception
    assert "How long are the rows?" in [heading.value for heading in app.subheader]
    assert any(ENTRY.caveat in caption.value for caption in app.caption)
    assert "figure row_length" in [chart.proto.id.split("-", 2)[-1] for chart in app.get("plotly_chart")] or any(
        "Row lengths" in chart.proto.spec for chart in app.get("plotly_chart")
    )


def test_nothing_else_lists_diagnostics():
    """No other literal of the library or the app holds the names of three diagnostics or more."""
    import ast
    from pathlib import Path

    names = {entry.name for entry in catalog.diagnostics()}
    root = Path(__file__).parents[1]
    for path in [*(root / "sslviz").rglob("*.py"), *(root / "app").rglob("*.py")]:
        if path.name == "entries.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Dict | ast.Set | ast.Tuple | ast.List):
                held = node.keys if isinstance(node, ast.Dict) else node.elts
                texts = {n.value for n in held if isinstance(n, ast.Constant) and isinstance(n.value, str)}
                assert len(texts & names) < 3, f"{path}:{node.lineno} lists {sorted(texts & names)}"
