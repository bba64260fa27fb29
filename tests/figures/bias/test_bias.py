"""Figures of biases: both oracles are drawn, bands are the result's, and nothing found is said with what would have been."""

import numpy as np
import pytest

from sslviz.diagnostics.bias.counterfactual_effect import counterfactual_effect
from sslviz.diagnostics.bias.groups import groups as measure_groups
from sslviz.diagnostics.bias.reliance import reliance as measure_reliance
from sslviz.diagnostics.probes.description_length import description_length
from sslviz.features import Features
from sslviz.figures.bias.counterfactual import counterfactual
from sslviz.figures.bias.groups import groups
from sslviz.figures.bias.reliance import reliance
from sslviz.figures.parts import theme
from sslviz.figures.probes.description_length import description_length as draw_description_length


def space(seed, shortcut=1.0, n=480):
    rng = np.random.default_rng(seed)
    label, cue = np.arange(n) % 4, np.arange(n) // 4 % 4
    x = 0.4 * rng.normal(size=(n, 8)) + np.concatenate([np.eye(4)[label], shortcut * np.eye(4)[cue]], axis=1)
    table = {"label": np.array(list("abcd"))[label], "hue": np.array(list("uvwx"))[cue]}
    return Features.from_array(x, table=table, ids=[f"{seed}-{i}" for i in range(n)])


@pytest.fixture(scope="module")
def used():
    return measure_reliance(
        space(0), "label", "hue", fit=space(1), expected_pairs=dict(zip("abcd", "uvwx", strict=True))
    )


def test_the_curve_lies_between_both_oracles_and_its_band_is_the_results(used):
    fig = reliance({"one": used})
    traces = {trace.name: trace for trace in fig.data if trace.name}
    assert (traces["core oracle (control)"].y == 1).all() and (traces["shortcut oracle (control)"].y[1:] == 0).all()
    np.testing.assert_array_equal(traces["one"].y, used.curve("conflict"))
    band = next(trace for trace in fig.data if trace.fill == "toself")
    np.testing.assert_array_equal(band.y, np.concatenate([used.band("conflict")[1], used.band("conflict")[0][::-1]]))
    assert len(reliance({"one": used, "two": used}).data) == len(fig.data) + 2  # oracles are drawn once


def test_nothing_found_is_said_with_what_would_have_been(used):
    table = measure_groups(space(0), "label", "hue", fit=space(1))
    assert not used.found and not table.found
    for fig, result in ((reliance(used), used), (groups(table), table)):
        assert f"{result.detectable:.2g}" in fig.layout.meta["caption"]
        assert "would have been seen" in fig.layout.meta["caption"]


def test_where_pairs_are_arbitrary_finding_no_gap_says_nothing():
    result = measure_reliance(space(0), "label", "hue", fit=space(1))
    caption = reliance({"one": result, "two": result}).layout.meta["caption"]
    assert caption.count("which agree is arbitrary") == 1 and "would have" not in caption  # of the images, not of a run


def test_groups_lie_worst_first_with_the_interval_that_holds_for_all():
    table = measure_groups(space(0, 2.0), "label", "hue", fit=space(1, 2.0))
    fig = groups({"one": table})
    assert fig.layout.yaxis.ticktext[0] == table.names[table.worst]
    dots = next(trace for trace in fig.data if trace.name == "one")
    low, high = table.interval()
    assert dots.x[0] - dots.error_x.arrayminus[0] == pytest.approx(low[table.worst])
    assert dots.x[0] + dots.error_x.array[0] == pytest.approx(high[table.worst])
    ticks = next(trace for trace in fig.data if trace.name == "mean over groups (control)")
    assert ticks.marker.color == theme.CONTROL and set(ticks.x) == {table.accuracy().mean()}


def test_factors_share_one_scale_and_the_one_asked_about_comes_first(planted_evidence):
    changed = planted_evidence().of("changed")
    fig = counterfactual({"one": counterfactual_effect(changed, "coin")})
    assert fig.layout.yaxis.ticktext[0].startswith("coin changed")
    ends = next(trace for trace in fig.data if trace.mode == "text")
    assert len(set(ends.text)) == 2  # of all scales


def test_bits_are_drawn_block_by_block():
    result = description_length(space(0))
    fig = draw_description_length(result)
    line = next(trace for trace in fig.data if trace.line.color != theme.CONTROL)
    np.testing.assert_array_equal(line.y, result.by_block(result.bits)[1])
    assert len(line.x) == len(result.ends) - 2
