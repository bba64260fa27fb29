import os
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "app"))
sys.path.insert(0, str(Path(__file__).parents[1] / "app"))
sys.path.insert(0, str(Path(__file__).parents[1] / "lessons"))
sys.path.insert(0, str(Path(__file__).parent))

from planted import plant, plant_foreign, plant_results, plant_three
from server import answering, free_port

from sslviz.data import load_images, shapes
from sslviz.figures.projection.map_parts import SVG_POINTS

ROOT = Path(__file__).parents[2]
# WebGL in software; but not the page around it, which no browser without a GPU draws that way: it takes three times as long.
# No network but this machine's: names lead nowhere.
FLAGS = [
    "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-gpu-compositing",
    "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip


@contextmanager
def served(folder):
    """The app on a free port, as a user starts it; stopped at the end."""
    port = free_port()
    options = [
        "--server.headless=true",
        f"--server.port={port}",
        "--server.address=127.0.0.1",
        "--server.fileWatcherType=none",
    ]
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(ROOT / "app" / "main.py"),
        *options,
        "--",
        "--runs",
        str(folder),
    ]
    address = f"http://127.0.0.1:{port}"
    with answering(command, f"{address}/_stcore/health"):
        yield address


@pytest.fixture(scope="session")
def app(tmp_path_factory):
    """The address of the app on three runs whose truth is planted."""
    folder = tmp_path_factory.mktemp("planted")
    for run in plant_three(folder):
        plant_results(run)
    with served(folder) as address:
        yield address


@pytest.fixture(scope="session")
def large_app(tmp_path_factory):
    """The address of the app on two runs of more images than a map draws one by one."""
    folder, images = tmp_path_factory.mktemp("large"), shapes(SVG_POINTS * 8, size=16)  # 3 of 20 are scored
    for seed, factor in enumerate(("shape", "color")):
        run = plant(folder / factor, images, factor, losses=[3.0, 2.0], knn=[0.4, 0.5], seed=seed)
        plant_results(run)
    with served(folder) as address:
        yield address


@pytest.fixture(scope="session")
def foreign_app(tmp_path_factory):
    """The address of the app on a vision transformer and a ResNet that were imported from files of weights."""
    folder = tmp_path_factory.mktemp("foreign")
    plant_foreign(folder)
    with served(folder) as address:
        yield address


@pytest.fixture(scope="session")
def folder_app(tmp_path_factory):
    """The address of the app on two encoders of files in class folders, one of which tells the classes hardly apart."""
    folder, world = tmp_path_factory.mktemp("files") / "photos", shapes(200, seed=1)
    for pixels, id_, kind in zip(world.pixels, world.ids, world.table["shape"], strict=True):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / kind / f"{id_}.png")
    images, runs = load_images(f"folder:{folder}"), folder.parent / "runs"
    for seed, (name, noise, right) in enumerate((("untuned", 4.0, 0.2), ("tuned", 1.0, 0.8))):
        run = plant(runs / name, images, "label", losses=[3.0, 2.0], knn=[0.4, 0.5], noise=noise, seed=seed)
        plant_results(run, right)
    with served(runs) as address:
        yield address


@pytest.fixture(scope="session")
def empty_app(tmp_path_factory):
    """The address of the app on a folder that does not exist."""
    with served(tmp_path_factory.mktemp("nothing") / "runs") as address:
        yield address


@pytest.fixture(scope="module")  # closed with the module: a second Playwright in one process finds its loop running
def chromium():
    """A browser; where there is none, tests are skipped on a desk and fail in CI."""
    path = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium on the PATH, which the browser tests drive")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def context(chromium):
    """What the pages of one file share: scripts of an app are fetched and compiled once."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(120_000)
    yield context
    context.close()


@pytest.fixture
def page(context):
    page = context.new_page()
    yield page
    page.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """What the page said when a test failed stands in its report: a page that is late looks like one that is wrong."""
    report = yield
    pages = [item.funcargs[name] for name in ("page", "dark_page") if name in item.funcargs]
    if report.failed and report.when == "call" and pages:
        report.sections.append(("The page", pages[0].locator("body").inner_text()))
    return report
