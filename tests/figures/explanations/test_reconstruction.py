"""Reconstructions drawn: are the panels the pictures of the result, beside their controls, with the right errors?"""

import base64
import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from sslviz.catalog import draw
from sslviz.explanations.reconstruction import Reconstruction
from sslviz.figures.explanations.reconstruction import reconstruction
from sslviz.figures.parts import theme

N, S = 9, 8


def made(seed=0, n=N, hidden=None, run="mine", off=10):
    """A result that is wrong by `off` of 255 in every hidden pixel, of black and white pictures."""
    true = np.random.default_rng(seed).integers(0, 200, (n, S, S, 3), dtype=np.uint8)
    hidden = np.tile(np.arange(S) < S // 2, (n, S, 1)) if hidden is None else hidden
    shown = np.where(hidden[..., None], 127, true).astype(np.uint8)
    ids = np.array([f"i{i}" for i in range(n)])
    return Reconstruction(run, "mae", ids, shown, true + np.uint8(off), true, hidden, np.full_like(true, 255))


def panels(fig):
    """The pictures of a figure, in rows of five, as they were sent."""
    images = [trace for trace in fig.data if trace.type == "image"]
    sent = [np.asarray(Image.open(io.BytesIO(base64.b64decode(t.source.partition(",")[2])))) for t in images]
    return [sent[i : i + 5] for i in range(0, len(sent), 5)]


def said(fig):
    return [annotation.text for annotation in fig.layout.annotations]


def test_a_row_is_shown_made_true_and_two_controls_pixel_for_pixel():
    one = made()
    rows = panels(reconstruction(one))
    assert len(rows) == 6
    for i, (shown, predicted, true, untrained, best) in enumerate(rows):
        np.testing.assert_array_equal(shown, one.shown[i])
        np.testing.assert_array_equal(true, one.true[i])
        np.testing.assert_array_equal(predicted[:, : S // 2], one.predicted[i][:, : S // 2])
        for picture in (predicted, untrained, best):  # what was shown is never painted over
            np.testing.assert_array_equal(picture[:, S // 2 :], one.true[i][:, S // 2 :])
        assert (untrained[:, : S // 2] == 255).all()


def test_the_control_without_network_is_the_better_one():
    one = made()
    errors = {name: one.error_of(pictures).mean() for name, pictures in one.control_pictures.items()}
    best = min(("mean colour", "nearest pixel"), key=errors.__getitem__)
    fig = reconstruction(one)
    assert f"{best} (control)" in said(fig) and "untrained (control)" in said(fig)
    np.testing.assert_array_equal(panels(fig)[0][4], one.completed(one.control_pictures[best])[0])


def test_the_errors_below_are_those_of_the_pictures():
    one = made(off=51)
    texts = [text for text in said(reconstruction(one)) if text.startswith("error")]
    assert len(texts) == 6 * 3 and texts[0] == "error 0.04"  # 0.2 squared
    untrained = np.square(1 - one.true[0][:, : S // 2] / 255).mean()
    assert texts[1] == f"error {untrained:.3g}"


def test_colours_are_the_runs_and_grey_the_controls():
    palette = theme.colors(["a", "b", "c"])
    fig = reconstruction({"b": made(), "c": made(1)}, colors=palette, rows=2)
    frames = [trace.line.color for trace in fig.data if trace.type == "scatter"]
    assert frames == [palette["b"], theme.CONTROL, theme.CONTROL] * 2 + [palette["c"], theme.CONTROL, theme.CONTROL] * 2


def test_many_checkpoints_have_fewer_rows_and_fewer_pictures_fewer_too():
    assert len(panels(reconstruction({f"run {i}": made(i) for i in range(8)}))) == 8 * 3
    assert len(panels(reconstruction(made(n=2)))) == 2
    with pytest.raises(ValueError, match="choose fewer"):
        reconstruction({f"run {i}": made(i) for i in range(25)})


def test_where_nothing_is_shown_as_it_is_the_whole_picture_is_the_methods():
    one = made(hidden=np.ones((N, S, S), bool))
    np.testing.assert_array_equal(panels(reconstruction(one))[0][1], one.predicted[0])


def test_it_is_drawn_by_the_catalog_in_light_and_dark_and_names_are_text():
    fig = draw({"<b>bad": made()})
    assert not any("<b>bad" in text for text in said(fig)) and "<b>bad" in fig.layout.meta["alt"]
    light, dark = (json.loads(theme.apply(draw(made()), dark=dark).to_json()) for dark in (False, True))
    assert light["layout"].pop("template") != dark["layout"].pop("template") and light == dark
    assert fig.layout.coloraxis.colorbar.tickvals is None  # pictures alone need no scale


def test_the_figure_needs_no_torch():
    code = "import sys, sslviz.figures.explanations.reconstruction; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
