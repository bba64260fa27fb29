"""A learned shortcut is seen where there is one: a readout of the shape goes by the tag if, and only if, they went together.

The encoder is the one whose weights are set by hand: it knows how much of each colour there is and nothing of shapes.
Where the tag's colour goes with the shape, a readout of the shape can go by nothing else; where it does not, by nothing.
"""

from functools import cache

import numpy as np
import pytest
from scipy import stats

from sslviz.data import tagged_shapes
from sslviz.data.worlds import SHAPES
from sslviz.explanations.attribution.attribution import attribute
from sslviz.explanations.attribution.color_encoder import color_encoder
from sslviz.explanations.faithfulness.tag_contrast import tag_contrast
from sslviz.explanations.targets import targets
from sslviz.features import Features
from sslviz.features.embed import embed_pixels

ENCODER = color_encoder()
ASKED = tagged_shapes(n=1200, bias=0.95, seed=1).split("test-biased")  # the same pictures for both readouts


@cache
def readout(bias, seed=0):
    """The logit of each picture's own shape, by a readout fitted where the tag goes with the shape by `bias`."""
    images = tagged_shapes(n=2000, bias=bias, seed=seed).split("train")
    fit = Features.from_array(embed_pixels(ENCODER, images.pixels), ids=images.ids, table=images.table)
    return targets.readout(fit, "shape", ASKED.table["shape"])


def contrast_of(target, method="feature_ablation"):
    options = {"groups": "masks"} if method == "feature_ablation" else {}
    maps = attribute(ENCODER, ASKED, target=target, method=method, check=False, progress=False, **options)
    return tag_contrast(maps, ASKED.masks, images=ASKED)


def test_with_the_bias_each_shape_is_read_by_the_colour_that_goes_with_it():
    weights, _ = readout(0.95).references  # one row for each picture: that of its shape
    going = [SHAPES.index(shape) for shape in ASKED.table["shape"]]
    np.testing.assert_array_equal(weights.argmax(1), going)


@pytest.mark.parametrize("method", ["feature_ablation", "occlusion", "integrated_gradients", "input_x_gradient"])
def test_the_tag_counts_more_than_the_distractor_with_the_bias(method):
    biased = contrast_of(readout(0.95), method).scores()["tag_contrast"]
    assert biased.low > 0.1 and biased.beats_control


def test_without_the_bias_it_does_not():
    """Over ten readouts, each of its own pictures: a single one goes by whatever chance made of its fit."""
    values = {bias: [contrast_of(readout(bias, s)).values[0].mean() for s in range(10)] for bias in (0.95, 0.25)}
    interval = {bias: stats.ttest_1samp(v, 0).confidence_interval() for bias, v in values.items()}
    assert interval[0.95].low > 0.1
    assert interval[0.25].low < 0 < interval[0.25].high
    gap = np.subtract(values[0.95], values[0.25])
    assert stats.ttest_1samp(gap, 0).confidence_interval().low > 0.1
