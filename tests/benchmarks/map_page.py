"""How long until the maps of four checkpoints are drawn, and until a lasso shows its images?  In a browser without a GPU.

python tests/benchmarks/map_page.py [--points 20000] [--runs 4] [--rounds 5]

Features and layouts are planted, since only reading, sending and drawing are measured.  The page is opened once to fill
the app's caches; then every round chooses it from a page at rest and measures until the first map and until the last has
its points, and from the end of a lasso until the first picture of the gallery.  The browser draws on the same processors as
the app; so the same is measured of maps of a hundredth of the points, which shows what the points cost.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from hardware import header, spread, verdict

sys.path.insert(0, str(Path(__file__).parents[1] / "app"))
sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))  # before the other, as both hold a conftest

from conftest import FLAGS, served
from planted import plant, plant_results
from playwright.sync_api import sync_playwright
from test_browser import lasso

from sslviz.data import shapes

DRAWN = """maps => [...document.querySelectorAll(".st-key-maps .js-plotly-plot")].filter(plot =>
    plot.querySelector(".gl-canvas-focus, .scatterlayer .point")).length >= maps"""


def planted(folder, points, runs):
    images = shapes(points * 20 // 3 + 1, size=16)  # 3 of 20 are scored
    for i in range(runs):
        factor = ("shape", "color", "texture", None)[i % 4]
        run = plant(Path(folder) / f"run {i}", images, factor, losses=list(np.linspace(5, 1, 8)), knn=[0.5] * 8, seed=i)
        plant_results(run)


def opened(browser, address, runs):
    """The page, chosen from one at rest that has charts; the seconds until its first and its last map were drawn."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(300_000)
    page.goto(f"{address}/training")
    page.wait_for_selector(".js-plotly-plot .main-svg")
    page.wait_for_selector("[data-test-script-state=notRunning]", state="attached")
    page.wait_for_timeout(3000)
    began = time.perf_counter()
    page.get_by_role("link", name="Map", exact=True).click()
    seconds = []
    for maps in (1, runs):
        page.wait_for_function(DRAWN, arg=maps)
        seconds.append(time.perf_counter() - began)
    return page, *seconds


def lassoed(page):
    """Seconds from the end of a lasso in the first map until its images are there."""
    plot = page.locator(".js-plotly-plot").first
    plot.scroll_into_view_if_needed()
    page.wait_for_selector("[data-test-script-state=notRunning]", state="attached")
    page.wait_for_timeout(2000)
    lasso(page, plot, 0.2)
    began = time.perf_counter()
    page.wait_for_selector(".st-key-selected img")
    return time.perf_counter() - began


def measured(browser, points, runs, rounds):
    """Of each round the seconds until the first map is drawn, until the last is, and from a lasso to its images."""
    found = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        planted(folder, points, runs)
        with served(folder) as address:
            for done in range(rounds + 1):  # the first fills the app's caches
                page, *seconds = opened(browser, address, runs)
                if done:
                    for times, of_round in zip(found, (*seconds, lassoed(page)), strict=True):
                        times.append(of_round)
                page.close()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    print(header("streamlit", "plotly", "playwright"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        few_first, few, _ = measured(browser, max(200, args.points // 100), args.runs, args.rounds)
        first, drawing, gallery = measured(browser, args.points, args.runs, args.rounds)
        browser.close()
    print(f"{args.runs} maps of {args.points:,} points; min / median / max of {args.rounds} rounds")
    for what, seconds in (
        ("until the first map is drawn", first),
        ("of a hundredth of the points", few_first),
        ("until all maps are drawn", drawing),
        ("of a hundredth of the points", few),
        ("from the lasso to its images", gallery),
    ):
        print(f"{what:32}{spread(seconds, '.2f'):>20} s")
    print(verdict("first drawing", median(first), 1, " s", at_least=False))
    print(f"what the points cost: {median(drawing) / median(few):.2f}x as long as a hundredth of them")
    print(verdict("gallery", median(gallery), 0.5, " s", at_least=False))


def chromium():
    import shutil

    return next(found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name)))


if __name__ == "__main__":
    main()
