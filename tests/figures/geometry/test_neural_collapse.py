"""A row for each class; of more than there is room for, the widest, which the caption says."""

import numpy as np
import pytest

from sslviz.diagnostics.geometry.neural_collapse import neural_collapse
from sslviz.features import Features
from sslviz.figures.geometry.neural_collapse import MOST_ROWS
from sslviz.figures.geometry.neural_collapse import neural_collapse as figure


@pytest.mark.parametrize("classes", [MOST_ROWS, 100])
def test_of_many_classes_the_widest_have_a_row(classes):
    rng = np.random.default_rng(0)
    label = np.arange(10 * classes) % classes
    x = 5 * rng.normal(size=(classes, 16))[label] + (1 + label % 7)[:, None] * rng.normal(size=(len(label), 16))
    result = neural_collapse(Features.from_array(x, table={"label": label}))
    fig = figure({"one": result})
    rows = set(fig.data[1].y)
    widest = {str(c) for c in result.classes[np.argsort(-result.by_class)[:MOST_ROWS]]}
    assert rows == widest == set(fig.data[0].y) and len(rows) == MOST_ROWS
    assert ("of 100 classes" in fig.layout.meta["caption"].lower()) == (classes == 100)
