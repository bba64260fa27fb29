"""The README is held to the code: it names every command, method, diagnostic and public name, and its story runs."""

import re
from pathlib import Path

import pytest

import sslviz
from sslviz.catalog import readme_table
from sslviz.methods import METHODS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
TABLE = re.compile(r"^\| question \|.*?\n(?=\n)", re.M | re.S)


@pytest.mark.parametrize("command", ["demo", "pretrain", "import", "embed", "diagnose", "explain", "app", "list"])
def test_the_readme_names_every_command(command):
    assert f"sslviz {command}" in README


@pytest.mark.parametrize("name", [*sslviz.__all__, *METHODS])
def test_the_readme_names_every_public_name(name):
    assert re.search(rf"`[^`]*\b{re.escape(name)}\b[^`]*`|^.*\b{re.escape(name)}\(", README, re.M), name


def test_the_readmes_table_is_the_catalog():
    assert TABLE.search(README)[0].strip() == readme_table(), "the catalog changed: run `python tests/test_docs.py`"


def test_the_readmes_story_runs(tmp_path, monkeypatch):
    """The six lines, word for word, on fewer images."""
    story = re.search(r"```python\n(.*?)```", README, re.S).group(1)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(story.replace("8_000", "900").replace('method="simclr"', 'method="simclr", epochs=1, progress=False'), names)
    assert names["result"].scores()["rankme"].control is not None


def test_every_file_the_readme_links_to_exists():
    for link in re.findall(r"\]\((?!http)([^)#]+)\)|src=\"([^\"]+)\"", README):
        assert (ROOT / (link[0] or link[1])).exists(), link


if __name__ == "__main__":
    (ROOT / "README.md").write_text(TABLE.sub(lambda _: readme_table() + "\n", README))
