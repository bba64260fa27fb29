"""The evidence drawn: are the curves those of the result, beside random order, other maps and what may be said?"""

import json
import subprocess
import sys

import numpy as np
import pytest

from sslviz.catalog import draw
from sslviz.explanations.faithfulness.faithfulness import Faithfulness
from sslviz.figures.explanations.attribution import attribution
from sslviz.figures.explanations.faithfulness import evidence_bars, faithfulness
from sslviz.figures.parts import theme

FRACTIONS = np.linspace(0, 1, 6)
OTHERS = ["random", "centre", "edge", "luminance", "saturation", "untrained"]


def made(n=20, seed=0, better=0.3, names=OTHERS, **given):
    """A result in which the map's curves lie `better` above (insertion) or below (deletion) those of the controls."""
    rng = np.random.default_rng(seed)
    base = 0.5 + 0.05 * rng.normal(size=(1 + len(names), n, 6))
    base[1 + names.index("edge")] += 0.05  # the best of the others
    ahead = np.zeros((1 + len(names), 1, 1))
    ahead[0] = better
    curves = {"deletion": 1 - base - ahead, "insertion": base + ahead}
    values = {k: np.trapezoid(v, FRACTIONS, axis=-1) for k, v in curves.items()}
    fields = {"ids": np.array([f"i{i}" for i in range(n)]), "names": ["map", *names], "fractions": FRACTIONS}
    return Faithfulness(**fields | {"curves": curves, "values": values, "name": "occlusion"} | given)


def lines(fig, name):
    return [t for t in fig.data if t.name == name and t.mode == "lines" and t.fill is None]


def said(fig):
    return "\n".join(a.text for a in fig.layout.annotations)


def test_the_lines_are_the_mean_curves_of_the_map_and_of_its_controls():
    one = made()
    fig = faithfulness({"mine": one})
    for line, measure in zip(lines(fig, "mine"), ("deletion", "insertion"), strict=True):
        np.testing.assert_allclose(line.y, one.curves[measure][0].mean(0))
        np.testing.assert_allclose(line.x, FRACTIONS)
        assert line.line.color == theme.CHECKPOINT_COLORS[0]
    for title, row in (
        ("random order (control)", 1),
        ("best map no model made (control)", 3),  # edges
        ("the untrained encoder's map (control)", 6),
    ):
        deletion, insertion = lines(fig, title)
        np.testing.assert_allclose(deletion.y, one.curves["deletion"][row].mean(0))
        np.testing.assert_allclose(insertion.y, one.curves["insertion"][row].mean(0))
        assert deletion.line.color == insertion.line.color == theme.CONTROL
    assert [t.showlegend for t in lines(fig, "random order (control)")] == [True, False]


def test_the_band_holds_95_percent_of_the_means_in_random_order():
    """The normal approximation of the mean of 400 independent images, which a bootstrap must come near."""
    one = made(n=400)
    (band, *_) = [t for t in faithfulness(one).data if t.fill == "toself"]
    high, low = np.array(band.y[6:])[::-1], np.array(band.y[:6])
    high, low = np.maximum(high, low), np.minimum(high, low)
    random = one.curves["deletion"][1]
    reach = 1.96 * random.std(0) / np.sqrt(400)
    np.testing.assert_allclose(high, random.mean(0) + reach, atol=0.15 * reach.max())
    np.testing.assert_allclose(low, random.mean(0) - reach, atol=0.15 * reach.max())


def test_what_may_be_said_stands_above_also_where_it_is_nothing():
    text = said(faithfulness({"good": made(), "poor & blind": made(better=-0.2), "few": made(n=4)}))
    assert "<b>good</b> beats its best control (insertion 0.80, edge 0.55)" in text
    assert "<b>poor &amp; blind</b> no better than an edge filter" in text
    assert "<b>few</b> too few images to say" in text


def test_of_few_images_there_is_no_band_and_without_an_untrained_encoder_no_line_of_it():
    fig = faithfulness(made(n=4, names=OTHERS[:-1]))
    assert not [t for t in fig.data if t.fill == "toself"]
    assert not lines(fig, "the untrained encoder's map (control)")
    assert "NaN" not in fig.to_json()


def test_the_bars_are_the_scores_and_the_untrained_encoder_has_its_own_mark():
    one = made()
    fig = evidence_bars({"mine": one, "other": made(seed=1)}, measures=("insertion",))
    assert list(fig.layout.yaxis2.ticktext)[0] == str(one.scores()["insertion"])
    assert next(t for t in fig.data if t.name == "untrained").marker.symbol == "circle-open"
    assert "deletion" not in fig.layout.meta["alt"]


def test_a_map_is_drawn_beside_its_evidence(asked_maps):
    maps, truth = asked_maps("attribute"), asked_maps("faithfulness")
    for fig in (draw(maps, evidence=truth), draw({"mine": maps}, evidence={"mine": truth})):
        assert truth.verdict in said(fig).replace("<br>", " ")
        assert truth.verdict in fig.layout.meta["alt"]
    with pytest.raises(ValueError, match="about other maps: occlusion"):
        draw(maps, evidence=made(n=8))
    with pytest.raises(ValueError, match="evidence for 'other', but no map; there are: mine"):
        draw({"mine": maps}, evidence={"other": truth})


def test_chosen_pictures_are_shown(asked_maps):
    maps = asked_maps("attribute")
    fig = attribution(maps, rows=[5, 2])
    assert [a.text for a in fig.layout.annotations if a.text in maps.ids] == [maps.ids[5], maps.ids[2]]
    assert "2 of 8 images, chosen" in fig.layout.meta["caption"]
    with pytest.raises(ValueError, match="images from 0 to 7"):
        attribution(maps, rows=[8])


def test_dark_is_the_template_and_nothing_else_and_no_torch_is_needed():
    fig = faithfulness(made())
    light, dark = json.loads(fig.to_json()), json.loads(theme.apply(faithfulness(made()), dark=True).to_json())
    assert light["layout"].pop("template") != dark["layout"].pop("template")
    assert light == dark
    code = "import sys, sslviz.figures.explanations.faithfulness; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
