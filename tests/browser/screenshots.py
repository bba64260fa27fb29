"""What does the app look like?  `python tests/browser/screenshots.py --runs runs --out shots` photographs every page.

At 1280 and 700 px, light and dark.  `--readme` makes the one picture of the README, `app/screenshot.png`, instead.
"""

import argparse
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "app"))
from conftest import FLAGS, ROOT, served
from menu import PAGES

ADDRESSES = {"overview": "", "map": "map?color=shape"}  # where they are not simply their name


def photograph(page: Page, address: str, path: Path, *, full: bool) -> None:
    page.goto(address)
    page.wait_for_selector("[data-test-script-state=notRunning]", state="attached", timeout=120_000)
    page.wait_for_selector("h1", timeout=60_000)
    page.wait_for_timeout(4000)  # plotly draws after the script has ended
    page.screenshot(path=path, full_page=full)
    print(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=Path("shots"))
    parser.add_argument("--readme", action="store_true")
    options = parser.parse_args()
    with served(options.runs.resolve()) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        if options.readme:
            page = browser.new_page(viewport={"width": 1280, "height": 760}, color_scheme="light")
            photograph(page, address, ROOT / "app" / "screenshot.png", full=False)
            raise SystemExit
        for scheme in ("light", "dark"):
            for width in (1280, 700):
                page = browser.new_page(viewport={"width": width, "height": 1600}, color_scheme=scheme)
                for name in PAGES:
                    file = options.out / f"{name}-{width}-{scheme}.png"
                    photograph(page, f"{address}/{ADDRESSES.get(name, name)}", file, full=False)
                page.close()
