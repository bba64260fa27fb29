"""How long does an audit take?  One small checkpoint on 4,000 images of 32 px, every question, the maps and the page.

python tests/benchmarks/audit.py [--images 4000]

The encoder is pretrained for an epoch first, so that it has not collapsed; nothing of the audit lies in its folder yet."""

import argparse
import tempfile
import time
from pathlib import Path

from hardware import header, verdict

import sslviz
from sslviz.data import Images
from sslviz.reports.audit.page import audit_page


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=4000)
    args = parser.parse_args()
    print(header("torch", "scikit-learn"))
    drawn = sslviz.shapes(args.images, seed=1)
    # As a folder would have them: a label, an attribute, no splits, nothing that a world knows besides.
    table = drawn.table[["shape", "color"]].rename(columns={"shape": "label"})
    images = Images(drawn.pixels, drawn.ids, table)
    with tempfile.TemporaryDirectory() as folder:
        run = sslviz.pretrain(sslviz.shapes(4000), out=Path(folder) / "run", epochs=4, progress=False)
        began = time.perf_counter()
        report = sslviz.audit(run, images, progress=False)
        page = audit_page(report)
        took = time.perf_counter() - began
    print(verdict(f"an audit of {len(images):,} images", took, 180, " s", at_least=False))
    print(verdict("its page", len(page) / 1e6, 12, " MB", at_least=False))


if __name__ == "__main__":
    main()
