"""How long do large figures take to be made?  `python tests/benchmarks/figures.py` prints min / median / max."""

import time

import numpy as np
from hardware import header, spread

import sslviz
from sslviz.figures import gallery_html, map_figure

ROUNDS = 7


def seconds(call):
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return f"{spread(times, '.3f')} s"


if __name__ == "__main__":
    print(header("numpy", "plotly", "pillow"))
    rng = np.random.default_rng(0)
    features = sslviz.Features.from_array(rng.normal(size=(20_000, 16)))
    projection = sslviz.projection(features, "pca")
    classes = rng.integers(10, size=20_000)
    print("map of 20,000 points, ten classes:", seconds(lambda: map_figure(projection, classes)))
    pixels = rng.integers(0, 256, (500, 32, 32, 3), dtype=np.uint8)
    ids = [str(i) for i in range(len(pixels))]
    print("gallery of 500 thumbnails:", seconds(lambda: gallery_html(pixels, ids, captions=ids, limit=500)))
