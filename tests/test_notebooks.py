"""The lessons run, show their figures on GitHub, and keep their code in the package."""

import ast
import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
SOLUTION = re.compile(r"<details><summary>Solution (\d)</summary>.*?```python\n(.*?)```.*?</details>", re.S)
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


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_it_runs_from_beginning_to_end_and_its_solutions_are_right(path, tmp_path, monkeypatch):
    monkeypatch.setenv("SSLVIZ_FAST", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(path.parents[1]), os.environ.get("PYTHONPATH", "")]))
    book = nbformat.read(path, as_version=4)
    for number, code in solutions(book).items():
        cell_of(book, ANSWER.format(number)).source = code
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
