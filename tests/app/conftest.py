import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

sys.path.insert(0, str(Path(__file__).parents[2] / "app"))  # as Streamlit does, so that tests find the app's rooms
sys.path.insert(0, str(Path(__file__).parent))

from planted import plant_three

MAIN = Path(__file__).parents[2] / "app" / "main.py"


@pytest.fixture(autouse=True)
def main_stays_main():
    """AppTest puts the app in the place of `__main__`, which processes that other tests start would then import."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture
def open_app(monkeypatch):
    """`open_app(folder, page="overview", dark=False, **query)` opens a page of the app, as a link to it does, on a folder
    of runs, and fails if it raises anything."""

    def open_app(folder, page="overview", dark=False, **query):
        monkeypatch.setenv("SSLVIZ_RUNS", str(folder))
        app = AppTest.from_file(str(MAIN), default_timeout=600)  # a busy machine takes long, and is no failure
        app.context = {"theme": "dark"} if dark else {}
        for name, value in query.items():
            app.query_params[name] = value
        if page != "overview":  # which asks all questions of all runs
            app.switch_page(f"app_pages/{page}.py")
        app.run()
        assert not app.exception, app.exception[0].value
        return app

    return open_app


@pytest.fixture(scope="session")
def planted(tmp_path_factory):
    """Three runs whose encoders keep shape, keep colour, and collapse with the lowest loss; nothing is trained."""
    folder = tmp_path_factory.mktemp("planted")
    plant_three(folder)
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Two runs made by the library itself: pretrained for an epoch each; only the first one is diagnosed."""
    from sslviz import diagnose, pretrain, shapes
    from sslviz.evaluation.questions import scored_and_fit

    folder, images = tmp_path_factory.mktemp("trained"), shapes(400)
    runs = [
        pretrain(
            images.split("train"), out=folder / name, epochs=1, batch_size=64, held_out=images.split("probe"), seed=seed
        )
        for seed, name in enumerate(("first", "second"))
    ]
    scored, fit = scored_and_fit(images)
    diagnose(runs[0], scored, fit=fit, only=["spectrum", "knn_probe", "linear_probe"], progress=False)
    return folder
