"""How long until the maps of four checkpoints are drawn, and until a lasso shows its images?  In a real browser.

python tests/benchmarks/map_page.py [--points 20000] [--runs 4] [--rounds 5]

Features and layouts are planted, since only reading, sending and drawing are measured.  The page is opened once to fill
the app's caches; then every round chooses it in a new tab and measures until the last map has its points, and from the end
of a lasso until the first picture of the gallery.  The browser draws without a GPU, on the same processors as the app.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from hardware import header, spread, verdict

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "browser"), str(ROOT / "tests" / "app")]  # both hold a conftest

from conftest import FLAGS, served  # noqa: E402
from planted import plant, plant_results  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402
from test_browser import lasso  # noqa: E402

from sslviz.worlds import shapes  # noqa: E402

DRAWN = """runs => document.querySelectorAll(".js-plotly-plot canvas").length >= runs
    && [...document.querySelectorAll(".js-plotly-plot")].filter(p => p._fullData?.[0]?.type == "scattergl").length >= runs"""


def planted(folder, points, runs):
    images = shapes(points * 20 // 3 + 1, size=16)  # 3 of 20 are scored
    for i in range(runs):
        factor = ("shape", "color", "texture", None)[i % 4]
        run = plant(Path(folder) / f"run {i}", images, factor, losses=list(np.linspace(5, 1, 8)), knn=[0.5] * 8, seed=i)
        plant_results(run)


def opened(browser, address, runs):
    """The page, chosen in a new tab, and the seconds until its maps were drawn."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(300_000)
    page.goto(address)
    page.wait_for_selector("[data-test-script-state=notRunning]", state="attached")
    began = time.perf_counter()
    page.get_by_role("link", name="Map", exact=True).click()
    page.wait_for_function(DRAWN, arg=runs)
    return page, time.perf_counter() - began


def lassoed(page):
    """Seconds from the end of a lasso in the first map until its images are there."""
    plot = page.locator(".js-plotly-plot:has(canvas)").first
    plot.scroll_into_view_if_needed()
    page.wait_for_selector("[data-test-script-state=notRunning]", state="attached")
    lasso(page, plot, 0.2)
    began = time.perf_counter()
    page.wait_for_selector(".st-key-selected img")
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    print(header("streamlit", "plotly", "playwright"))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        planted(folder, args.points, args.runs)
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        with served(folder) as address:
            page, first = opened(browser, address, args.runs)
            page.close()
            drawing, gallery = [], []
            for _ in range(args.rounds):
                page, seconds = opened(browser, address, args.runs)
                drawing.append(seconds)
                gallery.append(lassoed(page))
                page.close()
        browser.close()
    middle = args.rounds // 2
    print(
        f"{args.runs} maps of {args.points:,} points; min / median / max of {args.rounds} rounds; first of all {first:.1f} s"
    )
    print(f"{'until the maps are drawn':28}{spread(drawing, '.2f'):>20} s")
    print(f"{'from the lasso to its images':28}{spread(gallery, '.2f'):>20} s")
    print(verdict("drawing", sorted(drawing)[middle], 1, " s", at_least=False))
    print(verdict("gallery", sorted(gallery)[middle], 0.5, " s", at_least=False))


def chromium():
    import shutil

    return next(found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name)))


if __name__ == "__main__":
    main()
