"""The README and the stub are held to the code: they name every command, method and public name, and the story runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import sslviz
from sslviz.catalog import CATALOG, readme_table
from sslviz.cli.main import COMMANDS
from sslviz.evaluation.study.stored import readme_methods_table, readme_study_table
from sslviz.methods import METHODS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
STUB = ROOT / "sslviz" / "__init__.pyi"
TABLE = re.compile(r"^\| page \|.*?\n(?=\n)", re.M | re.S)
METHODS_TABLE = re.compile(r"^\| family \| method, paper.*?\n(?=\n)", re.M | re.S)
STUDY_TABLE = re.compile(r"^\| family \| method \|.*?^Measured: .*?\n(?=\n)", re.M | re.S)


def stub():
    """The public names and where they live, for editors and type checkers."""
    homes = {name: f"sslviz.{home}" for name, home in sslviz._HOME.items()}
    homes |= {entry.name: f"sslviz.{entry.home}" for entry in CATALOG}
    lines = ['"""The public names, for editors and type checkers; `python tests/test_docs.py` writes this file."""', ""]
    for home in sorted(set(homes.values())):
        names = sorted(name for name, where in homes.items() if where == home)
        lines.append(f"from {home} import {', '.join(names)}")
    listed = ", ".join(f'"{name}"' for name in sorted(homes))
    lines += ["", "__version__: str", f"__all__ = [{listed}]", ""]
    options = ["--stdin-filename", str(STUB), "-"]
    ruff = [sys.executable, "-m", "ruff"]
    text = subprocess.run(
        [*ruff, "format", *options], input="\n".join(lines), text=True, capture_output=True, check=True
    )
    check = [*ruff, "check", "--select", "I", "--fix", "-q", *options]
    text = subprocess.run(check, input=text.stdout, text=True, capture_output=True, check=True)
    return text.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_names_every_command(command):
    assert f"sslviz {command}" in README


@pytest.mark.parametrize("name", [*sslviz.__all__, *METHODS])
def test_the_readme_names_every_public_name(name):
    assert re.search(rf"`[^`]*\b{re.escape(name)}\b[^`]*`|^.*\b{re.escape(name)}\(", README, re.M), name


def test_the_readmes_table_is_the_catalog():
    assert TABLE.search(README)[0].strip() == readme_table(), "the catalog changed: run `python tests/test_docs.py`"


def test_the_readmes_methods_are_those_of_the_library_and_of_its_study():
    changed = "methods or their study changed: run `python tests/test_docs.py`"
    assert METHODS_TABLE.search(README)[0].strip() == readme_methods_table(), changed
    assert STUDY_TABLE.search(README)[0].strip() == readme_study_table(), changed


def test_editors_find_the_public_names():
    assert STUB.read_text() == stub(), "public names changed: run `python tests/test_docs.py`"


def test_the_readme_is_short():
    """Its sentences; rows of tables are looked up, not read."""
    prose = [line for line in README.splitlines() if not line.startswith("|")]
    assert len(" ".join(prose).split()) <= 1300


def test_the_readmes_story_runs(tmp_path, monkeypatch):
    """The six lines, word for word, on fewer images."""
    story = re.search(r"```python\n(.*?)```", README, re.S).group(1)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(story.replace("8_000", "900").replace('method="simclr"', 'method="simclr", epochs=1, progress=False'), names)
    assert names["result"].scores()["rankme"].control is not None


@pytest.mark.parametrize("page", ["README.md", "notebooks/README.md", "tests/benchmarks/README.md"])
def test_every_file_that_is_linked_to_exists(page):
    for link in re.findall(r"\]\((?!http)([^)#]+)\)|src=\"([^\"]+)\"", (ROOT / page).read_text()):
        assert ((ROOT / page).parent / (link[0] or link[1])).exists(), link


def test_every_lesson_and_every_benchmark_has_a_line():
    lessons = (ROOT / "notebooks" / "README.md").read_text()
    assert all(path.name in lessons for path in (ROOT / "notebooks").glob("*.ipynb"))


if __name__ == "__main__":
    text = TABLE.sub(lambda _: readme_table() + "\n", README)
    text = METHODS_TABLE.sub(lambda _: readme_methods_table() + "\n", text)
    (ROOT / "README.md").write_text(STUDY_TABLE.sub(lambda _: readme_study_table() + "\n", text))
    STUB.write_text(stub())
