"""JupyterLab for the tests: a server of its own, notebooks that are run in it, and what a page says."""

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path

import nbformat
from exercises import code_cells, rehearsal
from playwright.sync_api import expect
from server import answering, free_port

ROOT = Path(__file__).parents[2]
TOKEN = "only-this-machine"
NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}


@contextmanager
def served_notebooks(folder, theme="JupyterLab Light"):
    """JupyterLab on the notebooks of a folder, as a user starts it but with settings of its own; its address."""
    port = free_port()
    own = {name: str(folder / ".jupyter" / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    settings = folder / ".jupyter" / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(NO_NEWS))
    (settings / "themes.jupyterlab-settings").write_text(json.dumps({"theme": theme}))
    environment = {
        **os.environ,
        **{f"JUPYTER_{name}_DIR": path for name, path in own.items()},
        "JUPYTERLAB_SETTINGS_DIR": str(folder / ".jupyter" / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / ".jupyter" / "workspaces"),
        "IPYTHONDIR": str(folder / ".ipython"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "SSLVIZ_FAST": "1",
    }
    command = [
        *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"),
        *(f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}", "--ServerApp.port_retries=0"),
        *("--LabApp.extension_manager=readonly", "--LabApp.expose_app_in_browser=True"),
    ]
    address = f"http://127.0.0.1:{port}"
    with (folder / "server.log").open("w") as log:
        with answering(command, f"{address}/api?token={TOKEN}", log, environment):
            yield address


def write_notebook(path, cells):
    """A notebook of code cells, never run."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)"}}  # else the page asks for one
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells], metadata=kernel)
    nbformat.write(book, path)


def write_lesson(path, folder):
    """A lesson with its exercises answered, rightly and nearly, never run; returns the number of each code cell by its text."""
    folder.mkdir()
    book = rehearsal(path)
    nbformat.write(book, folder / path.name)
    return {cell.source: number for number, cell in enumerate(code_cells(book))}


class Lab:
    """A page with one notebook; what it asked the network for, and what its console said."""

    def __init__(self, page, address):
        self.page, self.address = page, address
        self.outside, self.console = [], []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.console.append(("pageerror", str(error))))
        page.on("request", self._note_outside)

    def _note(self, message):
        """Warnings and errors, but those of a browser that draws WebGL without a GPU."""
        if message.type in ("warning", "error") and "GL Driver Message" not in message.text:
            self.console.append((message.type, message.text))

    def _note_outside(self, request):
        """What the browser, whose network is cut, asks of others; routes would do it too, but with them nothing is cached."""
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.outside.append(request.url)

    def open(self, name):
        """Opens a notebook alone on the page, and waits for its kernel."""
        self.page.goto(f"{self.address}/doc/tree/{name}?token={TOKEN}")
        self.page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
        return self

    def command(self, name):
        """Runs a command of JupyterLab's menus."""
        self.page.evaluate("name => void window.jupyterapp.commands.execute(name)", name)  # which may take minutes

    def run_all(self):
        """Runs all cells, and waits for the last one."""
        self.command("notebook:run-all-cells")
        self.page.wait_for_function(
            """() => {
                const cells = Array.from(document.querySelectorAll(".jp-CodeCell .jp-InputPrompt"), e => e.textContent);
                return cells.length && cells.every(text => /[0-9]/.test(text));
            }""",
            timeout=300_000,  # a lesson, on a machine that has other things to do
        )
        stderr = self.page.locator("[data-mime-type='application/vnd.jupyter.stderr']")
        assert (stderr.all_inner_texts(), self.console) == ([], [])

    def cell(self, number):
        """The number-th code cell."""
        return self.page.locator(".jp-CodeCell").nth(number)

    def output(self, number):
        """What the number-th code cell shows, scrolled to: what is far from the screen need not be drawn yet."""
        cell = self.cell(number)
        cell.scroll_into_view_if_needed()
        return cell.locator(".jp-OutputArea-output").first

    def reach(self, locator):
        """Scrolls to a part of the page, and waits until the cells around it have found their heights."""
        expect(locator).to_be_visible()
        before = None
        while before != (now := (locator.scroll_into_view_if_needed(), locator.bounding_box())):
            before = now
            self.page.wait_for_timeout(400)
        return now[1]

    def run(self, number):
        """Runs one cell again, and waits for it."""
        prompt = self.cell(number).locator(".jp-InputPrompt")
        before = prompt.inner_text()
        prompt.click()
        self.command("notebook:run-cell")
        self.page.wait_for_function(
            "([element, before]) => /[0-9]/.test(element.textContent) && element.textContent !== before",
            arg=[prompt.element_handle(), before],
        )

    def save(self):
        """Saves the notebook."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
