"""What holds for every figure, whatever it shows."""

import json

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from sslviz import figures
from sslviz.catalog import diagnostics, transfers
from sslviz.diagnostics.probes.knn import knn_probe
from sslviz.diagnostics.projection.projection import projection
from sslviz.evaluation.answers import compute_entry
from sslviz.figures.explanations.faithfulness import evidence_bars, faithfulness
from sslviz.figures.explanations.reconstruction import reconstruction
from sslviz.figures.parts import theme

NAMES = [f"a-long-name-of-a-run-with-temperature-0.{i}" for i in range(10)]
RESULTS = 3  # under ten names, since what is asked here is of names, colours and texts


def history(evidence, i):
    epochs = np.arange(5)
    values = np.random.default_rng(i).random((5, 4))
    return pd.DataFrame(values, columns=["loss", "knn", "rankme", "std"]).assign(epoch=epochs, step=10 * epochs)


def scores(evidence, i):
    return knn_probe(evidence.features, k=5, control_features=evidence.control_features()).scores()


def answer(entry):
    if entry.name == "projection":  # of ten UMAPs one would see no more
        return lambda evidence, i: projection(evidence.features, "pca")
    columns = {"label": ("label",), "attribute": ("coin",), "columns": ("label", "coin")}.get(entry.scope, ())
    return lambda evidence, i: compute_entry(
        entry, evidence, columns, other=evidence if entry.scope == "pair" else None
    )


MAKE = {"score_bars": (figures.score_bars, scores), "training": (figures.training, history)}
MAKE |= {entry.name: (entry.figure, answer(entry)) for entry in diagnostics()}
ASKED = {  # of pictures: the figure, and whose results it draws
    "faithfulness": (faithfulness, "faithfulness"),
    "evidence_bars": (evidence_bars, "faithfulness"),
    "reconstruction": (reconstruction, "reconstruct"),
}


TRANSFERS = {
    entry.name: entry.figure for entry in transfers()
}  # of images, on which an encoder is trained or its grid read


@pytest.fixture(scope="module", params=[*MAKE, *ASKED, *TRANSFERS])
def case(request, planted_evidence, asked_maps, asked_transfers):
    if request.param in TRANSFERS:
        return TRANSFERS[request.param], dict.fromkeys(NAMES, asked_transfers(request.param))
    if request.param in ASKED:
        draw, entry = ASKED[request.param]
        made = [asked_maps(entry, i) for i in range(RESULTS)]
    else:
        draw, make = MAKE[request.param]
        made = [make(planted_evidence(n=90, d=8, seed=i), i) for i in range(RESULTS)]
    return draw, {name: made[i % RESULTS] for i, name in enumerate(NAMES)}


@pytest.fixture(scope="module")
def drawn(case):
    """The figures of one result, of one by its name, and of ten."""
    draw, results = case
    return [draw(results[NAMES[0]]), draw({NAMES[0]: results[NAMES[0]]}), draw(results)]


def colours(trace):
    if trace.type in ("image", "heatmap"):  # coloured by pictures, and by one scale of numbers
        return set()
    found = [trace.marker.color, trace.line.color if "line" in trace else None, trace.marker.line.color]
    return {c for c in found if isinstance(c, str)}


def test_control_is_there_and_grey(drawn):
    for fig in drawn:
        assert any(theme.CONTROL in colours(t) for t in fig.data)
        for trace in fig.data:
            for color in colours(trace) - {theme.CONTROL}:
                assert color in theme.CHECKPOINT_COLORS


def test_it_speaks_and_is_titled(drawn):
    for fig in drawn:
        assert len(fig.layout.meta["alt"]) > 40 and fig.layout.meta["caption"].endswith(".")
        titled = [axis for axis in (*fig.select_xaxes(), *fig.select_yaxes()) if axis.title.text]
        without_units = all(axis.visible is False for axis in fig.select_xaxes())
        assert titled or without_units
    assert all(name in drawn[-1].layout.meta["alt"] for name in NAMES)


def test_dark_is_the_template_and_nothing_else(drawn):
    for fig in drawn:
        light = json.loads(fig.to_json())
        dark = json.loads(theme.apply(go.Figure(fig), dark=True).to_json())
        assert light["layout"].pop("template") != dark["layout"].pop("template")
        assert light == dark


def test_colours_do_not_move_when_a_checkpoint_goes(case):
    draw, results = case
    palette = theme.colors(NAMES)
    fewer = draw({name: results[name] for name in NAMES[4:6]}, colors=palette)
    used = set().union(*map(colours, fewer.data)) - {theme.CONTROL}
    assert used == {palette[name] for name in NAMES[4:6]}


def test_it_is_json_without_nan_and_names_cannot_inject(case):
    draw, results = case
    nasty = "<script>alert(1)</script>"
    fig = draw({nasty: results[NAMES[0]]})
    hover = [t.hovertemplate or "" for t in fig.data]
    hover += [text for t in fig.data if t.hovertemplate == "%{text}<extra></extra>" for text in t.text]
    assert not any("<script" in text for text in hover)
    # Not a search for letters, which are in pictures too: they are texts of base64.
    json.loads(fig.to_json(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_no_results_is_an_error(case):
    with pytest.raises(ValueError, match="at least one"):
        case[0]({})
