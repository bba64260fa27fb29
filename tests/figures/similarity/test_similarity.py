"""Similarity: do bars and cells say what the scores say, and is the scale marked where unrelated images read?"""

import json
from itertools import combinations, product

import numpy as np
import pytest

from sslviz.diagnostics.similarity.similarity import similarity as diagnose
from sslviz.features import Features
from sslviz.figures.parts import theme
from sslviz.figures.similarity.similarity import heatmap, similarity

SCORES = ("cka", "procrustes", "mutual_knn", "rsa")


@pytest.fixture(scope="module")
def pairs():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(80, 10))
    steps = {f"step {i}": Features.from_array(base + i * rng.normal(size=(80, 10))) for i in range(4)}
    return {(a, b): diagnose(steps[a], steps[b]) for a, b in combinations(steps, 2)}


def grid(fig):
    return fig.data[0]


def test_bars_stand_where_the_scores_say(pairs):
    result = pairs["step 0", "step 2"]
    fig = similarity({"0 → 2": result})
    dot = next(trace for trace in fig.data if trace.error_x.color)
    least = {"cka": 0, "procrustes": 0, "mutual_knn": 0, "rsa": 0}
    for at, (_, name), text in zip(dot.x, dot.customdata, dot.text, strict=True):
        value = result.values[name]
        assert least[name] <= value and at == pytest.approx(value / (2 if name == "procrustes" else 1))
        assert str(result.scores()[name]) in text
    ticks = next(trace for trace in fig.data if trace.name == "control")
    assert ticks.marker.color == theme.CONTROL and len(ticks.x) == 4


def test_colours_stay_when_a_pair_goes(pairs):
    named = {" and ".join(pair): result for pair, result in pairs.items()}
    palette = theme.colors(named)
    last = list(named)[-1]
    dots = [trace for trace in similarity({last: named[last]}, colors=palette).data if trace.error_x.color]
    assert [trace.marker.color for trace in dots] == [palette[last]]


@pytest.mark.parametrize("score", SCORES)
def test_every_pair_is_in_both_halves_and_the_diagonal_is_exact(pairs, score):
    cells = grid(heatmap(pairs, score=score))
    names = list(cells.x)
    assert names == list(cells.y) == [f"step {i}" for i in range(4)]
    z = np.array(cells.z, dtype=float)
    np.testing.assert_array_equal(z, z.T)
    np.testing.assert_array_equal(z.diagonal(), 0 if score == "procrustes" else 1)
    for (a, b), result in pairs.items():
        assert z[names.index(a), names.index(b)] == result.values[score]
        hover = cells.hovertext[names.index(a)][names.index(b)]
        found = result.scores()[score]
        assert f"[{found.low:.3f}, {found.high:.3f}]" in hover and f"(control): {found.control:.3f}" in hover


@pytest.mark.parametrize("score", SCORES)
def test_the_scale_is_shared_and_marks_unrelated_images(pairs, score):
    fig = heatmap(pairs, score=score)
    top = 2 if score == "procrustes" else 1
    maps = [trace for trace in fig.data if trace.type == "heatmap"]
    assert all((trace.zmin, trace.zmax) == (0, top) for trace in maps)
    assert len({trace.colorscale for trace in maps}) == 1
    full, empty = maps[0].colorscale[1 if top == 1 else 0][1], maps[0].colorscale[0 if top == 1 else 1][1]
    assert full.endswith("0.55)") and empty.endswith("0.02)")  # alike is dark
    mark = next(trace for trace in fig.data if trace.name == "unrelated images (control)")
    chances = [result.chance[score] for result in pairs.values()]
    drawn = [y for y in mark.y if y is not None]
    assert mark.line.color == theme.CONTROL
    assert (min(drawn), max(drawn)) == pytest.approx((min(chances), max(chances)), abs=1e-4)
    assert list(fig.layout.yaxis2.range) == [0, top]


def test_layers_of_two_encoders_are_not_mirrored():
    rng = np.random.default_rng(0)
    a, b = ({f"block {i}": Features.from_array(rng.normal(size=(60, 6))) for i in range(2)} for _ in range(2))
    pairs = {(i, j): diagnose(a[i], b[j]) for i, j in product(a, b)}
    z = grid(heatmap(pairs)).z
    assert z[0][0] == pairs["block 0", "block 0"].values["cka"] != 1
    assert z[0][1] == pairs["block 0", "block 1"].values["cka"] != z[1][0]


def test_a_row_against_columns_of_other_names(pairs):
    cells = grid(heatmap({pair: result for pair, result in pairs.items() if pair[0] == "step 0"}))
    assert list(cells.y) == ["step 0"] and list(cells.x) == ["step 1", "step 2", "step 3"]
    one = {("a", "b"): pairs["step 0", "step 1"]}
    assert list(grid(heatmap(one)).x) == ["a", "b"]


def test_pairs_that_are_missing_stay_empty(pairs):
    some = {pair: pairs[pair] for pair in (("step 0", "step 1"), ("step 2", "step 3"))}
    fig = heatmap(some)
    cells = grid(fig)
    assert cells.z[0][2] is None and cells.text[0][2] == "" and "not compared" in cells.hovertext[0][2]
    assert "NaN" not in fig.to_json()


def test_numbers_are_written_where_they_fit(pairs):
    one = pairs["step 0", "step 1"]
    for many, written in ((12, True), (13, False)):
        names = [f"checkpoint {i}" for i in range(many)]
        cells = grid(heatmap({pair: one for pair in combinations(names, 2)}))
        assert (cells.texttemplate is not None) == written
    assert grid(heatmap(pairs)).text[0][1] == f"{one.values['cka']:.2f}"


def test_it_speaks_and_long_or_evil_names_do_no_harm(pairs):
    fig = heatmap({("<script>x</script>", "b" * 90): pairs["step 0", "step 1"]})
    assert "<script" not in "".join(text for row in grid(fig).hovertext for text in row)
    assert not any("<script" in text for text in fig.layout.xaxis.ticktext)
    assert all(len(text) < 60 for text in fig.layout.yaxis.ticktext)
    fig = heatmap(pairs)
    assert "most alike: step 0 and step 1" in fig.layout.meta["alt"] and "unrelated" in fig.layout.meta["alt"]
    assert fig.layout.meta["caption"].endswith(".") and "80 images" in fig.layout.meta["caption"]
    light, dark = (json.loads(theme.apply(heatmap(pairs), dark=dark).to_json()) for dark in (False, True))
    assert light["layout"].pop("template") != dark["layout"].pop("template") and light == dark


def test_bad_input_is_one_sentence(pairs):
    with pytest.raises(ValueError, match="no score 'cca' of similarity; there are: cka"):
        heatmap(pairs, score="cca")
    with pytest.raises(ValueError, match="at least one pair"):
        heatmap({})
    with pytest.raises(ValueError, match="at least one"):
        similarity({})
