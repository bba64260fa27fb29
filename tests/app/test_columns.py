"""Every column of the images' table is asked about, or the app says why not; what a question leaves out is counted."""

import numpy as np
import pandas as pd
import pytest
from planted import plant

from sslviz.data import shapes


@pytest.fixture(scope="module")
def gappy(tmp_path_factory):
    """A run whose images have a column with gaps, one of sixty classes and one of fractions."""
    folder = tmp_path_factory.mktemp("gappy")
    images, rng = shapes(2000, size=16), np.random.default_rng(0)
    n = len(images)
    table = images.table[["split", "shape", "color"]].assign(
        label=images.table["shape"],
        hospital=np.where(rng.random(n) < 0.1, None, rng.choice(["x", "y"], n)),
        fine=[f"class {i:02}" for i in rng.integers(0, 60, n)],
        dose=np.linspace(0, 1, n),
    )
    plant(folder / "one", type(images)(images.pixels, images.ids, table), "shape", losses=[1.0], knn=[0.5])
    return folder


def captions(app):
    return " ".join(caption.value for caption in app.caption)


def test_the_overview_lists_every_column_and_why_some_are_left_out(open_app, gappy):
    app = open_app(gappy)
    (listed,) = (table.value for table in app.table)
    said = listed["what is asked of it, or why nothing is"]
    assert set(listed.index) == {"shape", "label", "split", "color", "hospital", "fine", "dose"}
    assert "images without a value left out" in said["hospital"]
    assert said["dose"].startswith("not asked about: numbers with fractions")
    assert said["label"] == "not asked about: it says the same as shape"


def test_a_probe_of_a_column_with_gaps_counts_the_images_it_leaves_out(open_app, gappy):
    app = open_app(gappy, "probes", label="hospital")
    assert "images left out: no value of hospital" in captions(app) and not app.error


def test_many_classes_are_probed_and_other_questions_say_that_they_are_not_asked(open_app, gappy):
    app = open_app(gappy, "bias", label="fine", attribute="color", bias="Who is served worse?")
    assert "fine has more than 50 classes; this is asked of fewer." in captions(app) and not app.error
    listed = open_app(gappy, "bias", label="hospital", attribute="color", bias="Who is served worse?")
    assert "no value of hospital" in captions(listed)


def test_where_there_is_no_column_it_says_why_of_each(open_app, tmp_path):
    plant(tmp_path / "one", shapes(300, size=16), "shape", losses=[1.0], knn=[0.5])
    for path in (tmp_path / "one").glob("features/*.parquet"):
        pd.read_parquet(path).drop(columns=["label", "shape", "color", "texture"], errors="ignore").to_parquet(path)
    assert "radius, angle, phase (numbers with fractions are no classes" in captions(open_app(tmp_path, "probes"))
