"""How long does an audit take?  One small checkpoint on 4,000 images of 32 px, every question and the page.

python tests/benchmarks/audit.py [--images 4000]

The encoder is pretrained for an epoch first, so that it has not collapsed; nothing of the audit lies in its folder yet."""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from hardware import header, verdict

import sslviz
from sslviz import audit as auditing
from sslviz.audit_page import audit_page
from sslviz.images import Images


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=4000)
    args = parser.parse_args()
    print(header("torch", "scikit-learn"))
    drawn = sslviz.shapes(args.images, seed=1)
    # As a folder would have them: a label, an attribute, no splits, nothing that a world knows besides.
    table = drawn.table[["shape", "color"]].rename(columns={"shape": "label"})
    images = Images(drawn.pixels, drawn.ids, table)
    seconds, answer = {}, auditing_module()._answer

    def timed(run, one, of, *rest):
        began = time.perf_counter()
        answer(run, one, of, *rest)
        seconds[one.name] = seconds.get(one.name, 0.0) + time.perf_counter() - began

    auditing_module()._answer = timed
    with tempfile.TemporaryDirectory() as folder:
        run = sslviz.pretrain(sslviz.shapes(4000), out=Path(folder) / "run", epochs=4, progress=False)
        began = time.perf_counter()
        report = auditing(run, images, progress=False)
        page = audit_page(report)
        took = time.perf_counter() - began
    for name, one in sorted(seconds.items(), key=lambda pair: -pair[1])[:8]:
        print(f"{name:24}{one:8.1f} s")
    print(f"{'embedding, maps, page':24}{took - sum(seconds.values()):8.1f} s")
    print(verdict(f"an audit of {len(images):,} images", took, 180, " s", at_least=False))
    print(verdict("its page", len(page) / 1e6, 12, " MB", at_least=False))
    assert np.isfinite(took) and report["tests"]


def auditing_module():
    import sys

    return sys.modules["sslviz.audit"]


if __name__ == "__main__":
    main()
