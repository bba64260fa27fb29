"""The lessons run, show their figures on GitHub, and keep their code in the package."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

SOLUTION = re.compile(r"<details><summary>Solution (\d)</summary>.*?```python\n(.*?)```.*?</details>", re.S)
ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FAST = {"SSLVIZ_FAST": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
ANSWER, CHECK = "# Exercise {}: your answer", "# Exercise {}: check"


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def solutions(book):
    """{number of the exercise: code of its folded solution}."""
    return dict(match.groups() for cell in book.cells for match in SOLUTION.finditer(cell.source))


def cell_of(book, marker):
    return next(cell for cell in book.cells if cell.source.startswith(marker))


def said(cell):
    return "".join(output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout")


def test_there_are_lessons():
    assert NOTEBOOKS


# Every lesson in a fork of one process that has loaded what all of them import, which takes each kernel ten seconds.
LESSONS = """
import json, os, sys
import numba, plotly.graph_objects, sklearn.linear_model, timm, torch, sslviz, sslviz.figures, sslviz.training.pretrain
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

def run(cells, said):
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    for cell in cells:
        with capture_output() as caught:
            answer = shell.run_cell(cell)
        said.append(caught.stdout)
        if not answer.success:
            return f"{type(answer.error_before_exec or answer.error_in_exec).__name__}: {caught.stdout[-4000:]}"
    return ""

for folder, cells in json.load(sys.stdin):
    child = os.fork()
    if not child:
        os.chdir(folder)
        said = []
        try:
            error = run(cells, said)
        except BaseException as broken:
            error = repr(broken)
        with open("said.json", "w") as file:
            json.dump({"error": error, "said": said}, file)
        os._exit(0)
    os.waitpid(child, 0)
"""


def solved(path):
    """The lesson with every answer in the place of the exercise."""
    book = nbformat.read(path, as_version=4)
    for number, code in solutions(book).items():
        cell_of(book, ANSWER.format(number)).source = code
    return book


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory):
    """{lesson: the folder it was rehearsed in}, of all but the first; `said.json` in it holds what its cells printed."""
    folders = {path: tmp_path_factory.mktemp(path.stem) for path in NOTEBOOKS[1:]}
    lessons = [
        [str(folder), [cell.source for cell in solved(path).cells if cell.cell_type == "code"]]
        for path, folder in folders.items()
    ]
    environment = {**os.environ, **FAST}
    subprocess.run([sys.executable, "-c", LESSONS], input=json.dumps(lessons), text=True, env=environment, check=True)
    return folders


@pytest.mark.slow  # a lesson on few pictures
@pytest.mark.parametrize("path", NOTEBOOKS[1:], ids=lambda p: p.stem)
def test_it_runs_from_beginning_to_end_and_its_solutions_are_right(path, rehearsed):
    told = json.loads((rehearsed[path] / "said.json").read_text())
    assert not told["error"], told["error"]
    assert (rehearsed[path] / "runs").exists()
    book = solved(path)
    cells = [cell.source for cell in book.cells if cell.cell_type == "code"]
    for number in solutions(book):
        assert told["said"][cells.index(cell_of(book, CHECK.format(number)).source)].startswith("Right")


@pytest.mark.slow  # a lesson on few pictures
def test_the_first_one_runs_in_a_kernel_of_jupyter(tmp_path, monkeypatch):
    for name, value in FAST.items():
        monkeypatch.setenv(name, value)
    book = solved(NOTEBOOKS[0])
    NotebookClient(book, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert (tmp_path / "runs").exists()
    for number in solutions(book):
        assert said(cell_of(book, CHECK.format(number))).startswith("Right")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
class TestEveryLesson:
    def test_was_executed_in_order_without_an_error(self, path):
        cells = code_cells(path)
        assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
        assert all(output.output_type != "error" for cell in cells for output in cell.outputs)

    def test_shows_its_figures_without_javascript(self, path):
        pictures = 0
        for cell in code_cells(path):
            for output in cell.outputs:
                kinds = set(output.get("data", {}))
                pictures += "image/png" in kinds
                assert "application/vnd.plotly.v1+json" not in kinds or "image/png" in kinds
        assert pictures >= 5

    def test_is_small_and_speaks_of_no_machine(self, path):
        assert path.stat().st_size <= 2_000_000
        assert "/home/" not in path.read_text() and "/root/" not in path.read_text() and "/tmp/" not in path.read_text()

    def test_holds_no_class_and_no_long_function(self, path):
        for cell in code_cells(path):
            for node in ast.walk(ast.parse(cell.source)):
                assert not isinstance(node, ast.ClassDef)
                if isinstance(node, ast.FunctionDef):
                    assert node.end_lineno - node.lineno + 1 <= 10

    def test_says_something_before_and_after_its_figures(self, path):
        kinds = [cell.cell_type for cell in nbformat.read(path, as_version=4).cells]
        assert kinds[0] == kinds[-1] == "markdown" and kinds.count("markdown") >= kinds.count("code") // 2

    def test_its_exercises_begin_with_an_answer_that_runs_and_is_wrong(self, path):
        book = nbformat.read(path, as_version=4)
        found = solutions(book)
        assert len(found) == (3 if "## Exercises" in "".join(cell.source for cell in book.cells) else 0)
        for number in found:
            assert cell_of(book, ANSWER.format(number)).source != found[number]
            assert said(cell_of(book, CHECK.format(number))).startswith("Not yet")
