"""The lessons run, show their figures on GitHub, keep their code in the package, and explain each term once."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

sys.path.insert(0, str(Path(__file__).parent / "lessons"))

from exercises import ANSWER, CHECK, answers_are_told_apart, cell_of, code_cells, rehearsal, said, solutions

from sslviz.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
IN_JUPYTERLAB = {"05_geometry", "07_attention"}  # these two are rehearsed there, by tests/browser/test_jupyter.py
REHEARSED = [path for path in NOTEBOOKS if path.stem not in IN_JUPYTERLAB]
FAST = {
    **os.environ,
    "SSLVIZ_FAST": "1",
    "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    "BROWSER_PATH": "/nonexistent",  # each picture that an explorer keeps takes one; those in JupyterLab are drawn
}
MENU = ROOT / "app" / "menu.py"
GLOSSARY = ROOT / "notebooks" / "glossary.md"
ENTRY = re.compile(r"^### (.+)\n\n(.+) \[(\d\d)\]\((.+)\)$", re.M)  # term, sentence, number and file of its lesson
INTRODUCED, LINKED = re.compile(r"\*\*\[[^]]+\]\(glossary\.md#([^)]+)\)"), re.compile(r"\(glossary\.md#([^)]+)\)")
WORDS_OF_A_SENTENCE = 30  # at most


def prose(path):
    """The Markdown of a lesson."""
    book = nbformat.read(path, as_version=4)
    return "\n\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")


def sentences(path):
    """The sentences of a lesson: no code, no tables, no headings, no addresses of links."""
    text = re.sub(r"```.*?```|<[^>]+>|^[#|][^\n]*$", "\n\n", prose(path), flags=re.S | re.M)
    parts = re.split(r"\n\s*\n|\n(?=- |\d\. )", re.sub(r"\]\([^)]*\)", "]", text))
    return [one for part in parts for one in re.split(r"(?<=[.!?])[\"*)]*\s+", " ".join(part.split())) if one]


def slug(term):
    """The address of a heading on a page of GitHub."""
    return re.sub(r"[^\w\- ]", "", term.lower()).replace(" ", "-")


def test_there_are_lessons():
    assert NOTEBOOKS


class TestGlossary:
    entries = {
        slug(term): (sentence, number, file) for term, sentence, number, file in ENTRY.findall(GLOSSARY.read_text())
    }
    texts = {path.name: prose(path) for path in NOTEBOOKS}

    def test_every_heading_is_an_entry_in_the_order_of_the_alphabet(self):
        headings = re.findall(r"^### (.+)$", GLOSSARY.read_text(), re.M)
        assert [slug(term) for term in headings] == list(self.entries)
        assert headings == sorted(headings, key=lambda term: slug(term).replace("é", "e"))

    def test_every_entry_leads_to_the_lesson_that_explains_it_first(self):
        for term, (_, number, file) in self.entries.items():
            assert file.startswith(number)
            assert [name for name, text in self.texts.items() if term in INTRODUCED.findall(text)] == [file], term
            assert next(name for name, text in self.texts.items() if term in LINKED.findall(text)) == file, term

    def test_every_term_of_a_lesson_has_an_entry_and_leads_to_it(self):
        for name, text in self.texts.items():
            code = re.sub(r"```.*?```", "", text, flags=re.S)
            bold = {slug(words) for words in re.findall(r"\*\*([^*]+)\*\*", code) if not LINKED.search(words)}
            assert INTRODUCED.search(text), f"{name} explains no term"
            assert not bold & set(self.entries), (
                f"{name} explains what another lesson has explained, or does not link it"
            )
            assert set(LINKED.findall(text)) <= set(self.entries), name

    def test_its_sentences_are_short(self):
        for sentence, _, _ in self.entries.values():
            assert all(len(one.split()) <= WORDS_OF_A_SENTENCE for one in re.split(r"(?<=\.) ", sentence)), sentence


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
        except BaseException as broken:  # a forked child must not go on as its parent
            error = repr(broken)
        with open("said.json", "w") as file:
            json.dump({"error": error, "said": said}, file)
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory):
    """{lesson: the folder it was rehearsed in}; `said.json` in it holds what its cells printed."""
    folders = {path: tmp_path_factory.mktemp(path.stem) for path in REHEARSED}
    lessons = [[str(folder), [cell.source for cell in code_cells(rehearsal(path))]] for path, folder in folders.items()]
    subprocess.run([sys.executable, "-c", LESSONS], input=json.dumps(lessons), text=True, env=FAST, check=True)
    return folders


@pytest.mark.slow  # a lesson on few pictures
@pytest.mark.parametrize("path", REHEARSED, ids=lambda p: p.stem)
def test_it_runs_from_beginning_to_end_and_its_solutions_are_right(path, rehearsed):
    told = json.loads((rehearsed[path] / "said.json").read_text())
    assert not told["error"], told["error"]
    assert (rehearsed[path] / "runs").exists()
    answers_are_told_apart(path, told["said"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
class TestEveryLesson:
    def test_was_executed_in_order_without_an_error(self, path):
        cells = code_cells(nbformat.read(path, as_version=4))
        assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
        assert all(output.output_type != "error" for cell in cells for output in cell.outputs)

    def test_shows_its_figures_without_javascript(self, path):
        pictures = 0
        for cell in code_cells(nbformat.read(path, as_version=4)):
            for output in cell.outputs:
                kinds = set(output.get("data", {}))
                pictures += "image/png" in kinds
                assert "application/vnd.plotly.v1+json" not in kinds or "image/png" in kinds
        assert pictures >= 5

    def test_has_a_thumbnail_and_names_the_cell_that_it_is_of(self, path):
        assert (path.parent / "thumbnails" / f"{path.stem}.png").exists()
        tags = [tag for cell in nbformat.read(path, as_version=4).cells for tag in cell.metadata.get("tags", [])]
        assert tags.count("thumbnail") == 1

    def test_is_small_and_speaks_of_no_machine(self, path):
        assert path.stat().st_size <= 2_000_000
        assert "/home/" not in path.read_text() and "/root/" not in path.read_text() and "/tmp/" not in path.read_text()

    def test_holds_no_class_and_no_long_function(self, path):
        for cell in code_cells(nbformat.read(path, as_version=4)):
            for node in ast.walk(ast.parse(cell.source)):
                assert not isinstance(node, ast.ClassDef)
                if isinstance(node, ast.FunctionDef):
                    assert node.end_lineno - node.lineno + 1 <= 10

    def test_its_sentences_are_short(self, path):
        told = sentences(path)
        assert len(told) > 50 and [one for one in told if len(one.split()) > WORDS_OF_A_SENTENCE] == []

    def test_its_links_lead_to_files(self, path):
        text = "\n".join(
            cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"
        )
        for link in re.findall(r"\]\((?!http)([^)#]+)", text):
            assert (path.parent / link).exists(), link

    def test_names_commands_and_pages_of_the_app_that_there_are(self, path):
        text = prose(path)
        commands = set(re.findall(r"`sslviz (\w+)", text))
        assert "app" in commands and commands <= set(COMMANDS)
        pages = {page.lower() for page in re.findall(r"pages?\s+\*([^*]+)\*", text)}
        menu = MENU.read_text()
        there = re.findall(r'^    "(\w+)": \(', menu, re.M) + re.findall(r'^ *(?:"\w+": \()?"([^"]+\?)"', menu, re.M)
        assert pages and pages <= {page.lower() for page in there}

    def test_prints_its_seconds_in_its_last_cell(self, path):
        first, *_, last = code_cells(nbformat.read(path, as_version=4))
        assert "perf_counter()" in first.source and "perf_counter() - " in last.source

    def test_its_headings_begin_lines(self, path):
        """A heading that was joined to the line before it is a number sign in a paragraph."""
        for cell in nbformat.read(path, as_version=4).cells:
            text = re.sub(r"```.*?```", "", cell.source, flags=re.S) if cell.cell_type == "markdown" else ""
            assert not re.search(r"\S #{2,} ", text), text

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
