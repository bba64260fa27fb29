"""What a source of images is taken for is told whole: every picture, every split, every column."""

import json

import numpy as np
import pandas as pd

import sslviz
from sslviz.cli.main import main
from sslviz.data import Images


def pictures(table, spec=""):
    frame = pd.DataFrame(table)
    rng = np.random.default_rng(0)
    ids = [f"p{i}" for i in range(len(frame))]
    return Images(rng.integers(0, 255, (len(frame), 8, 8, 3), np.uint8), ids, frame, spec=spec)


def test_what_is_scored_fitted_on_and_not_used_adds_up():
    split = ["train"] * 30 + ["test"] * 10 + ["extra"] * 5 + [None] * 2
    inspection = sslviz.inspect_images(pictures({"label": np.arange(47) % 2, "split": split}))
    assert inspection.scored == (
        "Scored: 10 of split test; probes are fitted on 30 of split train; not used: 5 of split extra, 2 without a split."
    )
    assert sum(inspection.splits.values()) == 45 and inspection.n == 47


def test_splits_that_say_nothing_are_named():
    inspection = sslviz.inspect_images(pictures({"split": [0, 1] * 5}))
    assert (
        inspection.scored.startswith("All 10 are scored")
        and "Of its splits (0, 1) none is called test or val." in inspection.scored
    )


def test_images_of_their_own_to_fit_on():
    scored, fit = pictures({"label": list("ab") * 5}), pictures({"label": list("ab") * 3}, spec="shapes:n=6")
    assert "fitted on 6 others (shapes:n=6)" in sslviz.inspect_images(scored, fit).scored


def test_a_split_that_is_scored_beside_images_of_their_own_to_fit_on(tmp_path, capsys):
    everything, fit = sslviz.load_images("shapes:n=400"), sslviz.load_images("shapes:n=200,seed=1")
    inspection = sslviz.inspect_images(everything, fit, scored=everything.split("test"))
    assert inspection.scored.startswith("Scored: 60 of split test; probes are fitted on 200 others (shapes:n=200,")
    assert "not used: 240 of split train, 60 of split probe" in inspection.scored
    assert sslviz.inspect_images(everything, fit).scored.startswith(
        "All 400 are scored; probes are fitted on 200 others"
    )


def test_every_column_is_in_the_lines_and_in_the_json():
    table = {"label": list("ab") * 10, "age": np.linspace(20, 80, 20), "id": [f"n{i}" for i in range(20)]}
    inspection = sslviz.inspect_images(pictures(table))
    text = " ".join(inspection.lines)
    assert "Asked about: label (2 classes)." in text and "Not asked about: age (numbers with fractions" in text
    assert {c["name"] for c in json.loads(json.dumps(inspection.to_dict()))["columns"]} == set(table)
    assert inspection.classes == {"label": ["a", "b"]}


def test_the_command_prints_it_and_writes_it(tmp_path, capsys):
    main(["inspect", "shapes:n=400", "--json", str(tmp_path / "i.json")])
    said = capsys.readouterr().out
    assert "400 pictures of 32 x 32 pixels" in said and "Scored: 60 of split test" in said
    assert "shape" in said and "Not asked about: label (it says the same as shape)." in said
    assert json.loads((tmp_path / "i.json").read_text())["splits"]["train"] == 240


def test_splits_in_other_words_are_understood():
    inspection = sslviz.inspect_images(pictures({"label": list("ab") * 6, "split": ["Train"] * 8 + ["Testing"] * 4}))
    assert inspection.scored == "Scored: 4 of split Testing; probes are fitted on 8 of split Train."


def test_classes_that_are_left_out_are_not_among_those_asked_about():
    """The classes stand beside their number, and what is left out behind them."""
    split = ["train"] * 12 + ["test"] * 12
    label = list("ab") * 6 + list("ab") * 5 + ["c", "a"]
    inspection = sslviz.inspect_images(pictures({"label": label, "split": split}))
    assert inspection.classes == {"label": ["a", "b"]}
    assert inspection.column_rows[0][2] == ("2 classes: a, b; 1 class left out that the images fitted on lack (c)")
