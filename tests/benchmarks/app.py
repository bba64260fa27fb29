"""How long does a page of the app take to answer, once everything it shows is stored?  `python tests/benchmarks/app.py`

Twenty runs of 10,000 scored images (five recipes, four seeds each); each page is opened four times by Streamlit's AppTest.
The median of the later three is printed beside the limit of 0.5 s, by the clock and in processor seconds; on a machine that
nothing else uses they are the same.  Answers and layouts are planted: only reading and drawing are measured here.
`--runs DIR` keeps the run folders, and uses those that are there already."""

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "app"))

from planted import plant_answers, plant_twenty
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[2]
LIMIT = 0.5  # seconds
SCORED = 10_000
PAGES = ("overview", "training", "collapse", "geometry", "map", "similarity", "probes")


def opened(app: AppTest, page: str) -> tuple[float, float]:
    """Seconds by the clock and of the processor until a page has answered."""
    began, used = time.perf_counter(), time.process_time()
    app.switch_page(f"app_pages/{page}.py").run()
    assert not app.exception and not app.error
    return time.perf_counter() - began, time.process_time() - used


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=Path)
    with tempfile.TemporaryDirectory() as temporary:
        folder = parser.parse_args().runs or Path(temporary)
        if not any(folder.glob("*/*/run.json")):
            runs = plant_twenty(folder, SCORED * 20 // 3 + 1, epochs=18, extras=True)  # 3 of 20 are scored
            plant_answers(runs, alike=len(runs))
        os.environ["SSLVIZ_RUNS"] = str(folder)
        app = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=3000).run()
        worst = 0.0
        for page in PAGES:
            times = [opened(app, page) for _ in range(4)]
            clock, used = (sorted(column)[1] for column in zip(*times[1:], strict=True))
            worst = max(worst, used)
            first = " and ".join(f"{seconds:.2f}" for seconds in times[0])
            print(
                f"{page:<10} first {first} s   again {clock:.2f} s, processor {used:.2f} s   limit {LIMIT} s",
                flush=True,
            )
    print(f"most memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    raise SystemExit(worst > LIMIT)


if __name__ == "__main__":
    main()
