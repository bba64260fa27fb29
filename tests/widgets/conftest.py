import ipywidgets
import pytest
from ipywidgets.widgets import widget as registry


@pytest.fixture(autouse=True)
def nothing_stays_open():
    """Whatever a test opens, it or its explorer closes; what was open before stays."""
    before = set(registry._instances)
    yield
    for one in [w for key, w in registry._instances.items() if key not in before]:
        one.close()


@pytest.fixture
def opened():
    """`opened()`: how many widgets are open in ipywidgets' registry that were not when the test began."""
    before = set(registry._instances)
    return lambda: len(set(registry._instances) - before)


class Kernel:
    def __init__(self):
        self.request = {}

    def get_parent(self, channel):
        return self.request


class Shell:
    """What an explorer asks of IPython in a notebook."""

    def __init__(self):
        self.meta, self.kernel = {}, Kernel()

    def has_trait(self, name):
        return name == "kernel"

    def run(self, cell, execution, code=""):
        """From now on this cell runs; a front end without names for its cells sends ""."""
        metadata = {"cellId": cell} if cell else {}
        self.kernel.request = {"metadata": metadata, "header": {"msg_id": execution}, "content": {"code": code}}


@pytest.fixture
def shell(monkeypatch):
    from sslviz.widgets.parts import running_cell

    shell = Shell()
    monkeypatch.setattr(running_cell, "get_ipython", lambda: shell)
    return shell


@pytest.fixture
def no_pictures(monkeypatch):
    """Still pictures take a browser a second each: here none is drawn."""
    import plotly.graph_objects as go

    def refuse(*args, **options):
        raise RuntimeError("\nThere is no browser here.\nInstall one.")

    monkeypatch.setattr(go.Figure, "to_image", refuse)


@pytest.fixture
def said():
    """`said(explorer)`: all its text, as a reader of the page finds it."""
    return lambda explorer: " ".join(_texts(explorer))


def _texts(widget):
    if isinstance(widget, ipywidgets.HTML):
        yield widget.value
    if isinstance(widget, ipywidgets.Box):
        for child in widget.children:
            yield from _texts(child)
