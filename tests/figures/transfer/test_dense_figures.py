"""Figures of dense tasks: what lies where, in whose colour, and that no picture stands without its control."""

import base64
import io
import json
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

import sslviz
from sslviz.catalog.drawing import figure_of
from sslviz.figures.parts import theme
from sslviz.figures.parts.saliency_sheet import MOST
from sslviz.figures.parts.worst_first import worst_first
from sslviz.figures.transfer.segmentation import tinted
from sslviz.runs import Checkpoint

NAMES = [f"a-long-name-of-a-run-with-temperature-0.{i}" for i in range(10)]
NANO = Checkpoint("mine", 0, {"name": "conv_nano", "image_size": 32}, None, 1)
MAKE = {"segmentation": sslviz.segmentation, "discovery": sslviz.discovery}


@pytest.fixture(scope="module", params=MAKE)
def result(request):
    return MAKE[request.param](NANO, sslviz.scenes(n=40), progress=False)


def framed(fig, color):
    return [trace for trace in fig.data if trace.type == "scatter" and trace.line.color == color]


def test_it_speaks_has_its_control_and_is_as_said_in_light_and_dark(result):
    for given in (result, {"one": result}, {name: result for name in NAMES}):
        fig = sslviz.draw(given)
        names = list(given) if isinstance(given, dict) else ["mine"]
        assert all(name in fig.layout.meta["alt"] for name in names)
        assert len(fig.layout.meta["alt"]) > 40 and fig.layout.meta["caption"].endswith(".")
        assert framed(fig, theme.CONTROL)
        colors = theme.colors(names)
        assert all(framed(fig, color) for color in colors.values())
        assert sum(trace.type == "image" for trace in fig.data) <= MOST
        light = json.loads(fig.to_json())
        dark = json.loads(theme.apply(go.Figure(fig), dark=True).to_json())
        assert light["layout"].pop("template") != dark["layout"].pop("template") and light == dark
        json.loads(
            fig.to_json(), parse_constant=lambda word: pytest.fail(f"{word} is no JSON")
        )  # base64 may hold any word


def test_colours_stay_and_names_cannot_inject(result):
    nasty = "<script>alert(1)</script>"
    fig = sslviz.draw({nasty: result}, colors={nasty: theme.CHECKPOINT_COLORS[4]})
    assert framed(fig, theme.CHECKPOINT_COLORS[4]) and not framed(fig, theme.CHECKPOINT_COLORS[0])
    assert not any("<script" in note.text for note in fig.layout.annotations)
    with pytest.raises(ValueError, match="at least one"):
        figure_of(type(result))({})


def test_few_pictures_are_drawn_too(result):
    few = sslviz.scenes(n=40).rows(np.arange(3, 8))
    make = MAKE["segmentation" if hasattr(result, "classes") else "discovery"]
    one = make(NANO, few, progress=False)
    assert sslviz.draw({"few": one, "many": result}).data


def test_one_half_are_the_worst_and_the_others_reach_the_best():
    assert worst_first(16, 8) == [0, 1, 2, 3, 4, 8, 11, 15] and worst_first(16, 1) == [0]
    assert worst_first(3, 8) == [0, 1, 2]
    for there in range(1, 20):
        for count in range(1, 20):
            rows = worst_first(there, count)
            assert len(rows) == len(set(rows)) == min(there, count) and rows == sorted(rows) and rows[-1] < there


def test_classes_are_painted_where_they_are_and_unknown_pixels_are_white():
    picture = np.full((2, 2, 3), 100, np.uint8)
    shown = tinted(picture, np.array([[0, 1], [-1, 1]]), ["#ff0000", ""])
    assert shown[0, 0, 0] > 220 and shown[0, 0, 1] < 60
    assert (shown[0, 1] == shown[1, 1]).all() and len(set(shown[0, 1].tolist())) == 1
    assert shown[1, 0].tolist() == [255] * 3


def pixels_of(image):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(image.source.partition(",")[2]))).convert("RGB"))


def test_pictures_of_a_segmentation_stand_above_what_was_read_from_them():
    result = sslviz.segmentation(NANO, sslviz.scenes(n=40), progress=False)
    fig = sslviz.draw(result, columns=4)
    images = [trace for trace in fig.data if trace.type == "image"]
    assert len(images) == 16
    ids = [image.hovertemplate for image in images]
    assert ids[:4] == ids[4:8] == ids[8:12] == ids[12:]
    assert str(result.ids[result.shown[0]]) in ids[0]
    np.testing.assert_array_equal(pixels_of(images[0]), result.pictures[0])
    tints = theme.class_colors([name for name in result.classes if name != "background"])
    for image, codes in ((images[4], result.truth[0]), (images[8], result.predicted[0])):
        expected = tinted(result.pictures[0], codes, [tints.get(name, "") for name in result.classes])
        np.testing.assert_array_equal(pixels_of(image), expected)


def test_boxes_of_a_discovery_lie_where_they_were_found():
    result = sslviz.discovery(NANO, sslviz.scenes(n=40), progress=False)
    whole = np.broadcast_to([0.0, 32, 64, 64], result.found.shape)  # the lower half
    fig = sslviz.draw(replace(result, found=whole))
    image = next(trace for trace in fig.data if trace.type == "image")
    left, top = image.x0 - image.dx / 2, image.y0 - image.dy / 2
    (found,) = framed(fig, theme.CHECKPOINT_COLORS[0])
    np.testing.assert_allclose(found.x[:4], [left, left + 1, left + 1, left])
    np.testing.assert_allclose(found.y[:4], [top + 0.5, top + 0.5, top + 1, top + 1])
    panels = sum(trace.type == "image" for trace in fig.data)
    assert len(found.x) == 6 * panels == 6 * 16
    shown = pixels_of(image)
    x0, y0, x1, y1 = (result.true_boxes[result.true_of == result.shown[0]][-1] * len(shown) / 64).astype(int)
    assert (shown[y0 + 1, x0 + 1 : x1 - 1] == 255).all() and (shown[y0, x0:x1] == 0).all()
