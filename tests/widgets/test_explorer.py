"""What all explorers do: they show errors, wait for sliders, keep a picture, and leave nothing behind."""

import asyncio
import base64
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

import sslviz.widgets
from sslviz.figures import theme
from sslviz.widgets.parts import controls
from sslviz.widgets.parts.debounced import Debounced
from sslviz.widgets.parts.explorer import PICTURE, Explorer
from sslviz.widgets.parts.pointed_picture import PointedPicture
from sslviz.widgets.parts.still_picture import WIDTH, still_picture

LIVE = "application/vnd.jupyter.widget-view+json"


def square(side=4):
    line = go.Scatter(x=[0, side, side, 0], y=[0, 0, side, side], fill="toself", mode="lines")
    return theme.finish(go.Figure(line, layout={"height": 300}), alt="A square.", caption="")


def explorer(update=lambda: None):
    """A slider and a figure."""
    made = Explorer(square)
    slider = controls.slider("side", 1.0, 0.0, 2.0)
    made.connect([slider], update)
    made.show(controls.row(slider, go.FigureWidget(square())), controls.caption("Move it."))
    return made, slider


class TestErrors:
    def test_an_error_of_a_callback_is_shown_with_the_place_it_came_from(self):
        def fail():
            raise ValueError("The side <0> is no side.")

        made, slider = explorer(fail)
        slider.value = 2.0
        assert "ValueError:</b> The side &lt;0&gt; is no side." in made.message.value
        assert "in fail" in made.message.value

    def test_it_goes_with_the_next_success(self):
        broken = [True]

        def update():
            if broken:
                raise KeyError("shape")

        made, slider = explorer(update)
        slider.value = 2.0
        assert "KeyError" in made.message.value
        broken.clear()
        slider.value = 0.5
        assert made.message.value == ""

    def test_a_button_shows_its_errors_too(self):
        made, _ = explorer()
        press = controls.button("Again")
        made.press(press, lambda: 1 / 0)
        press.click()
        assert "ZeroDivisionError" in made.message.value


class TestSlidersOnTheMove:
    def test_without_an_event_loop_every_change_is_followed_at_once(self):
        calls = []
        call = Debounced(lambda: calls.append(1))
        call(), call()
        assert len(calls) == 2

    def test_with_one_only_the_last_of_many_changes_is_followed(self):
        calls, seen = [], []

        async def move():
            made, slider = explorer(lambda: calls.append(slider.value))
            for value in np.linspace(0.1, 1.5, 15):
                slider.value = value
            seen.append(list(calls))
            await asyncio.sleep(0.4)

        asyncio.run(move())
        assert seen == [[]] and calls == [1.5]

    def test_a_closed_explorer_computes_nothing_any_more(self):
        calls = []

        async def move():
            made, slider = explorer(lambda: calls.append(1))
            slider.value = 2.0
            made.close()
            await asyncio.sleep(0.3)

        asyncio.run(move())
        assert calls == []


class TestNothingStaysBehind:
    def test_closing_closes_every_part(self, opened):
        made, _ = explorer()
        assert opened() > 5  # boxes, their layouts, the slider and its style, the figure
        made.close()
        made.close()
        assert opened() == 0

    def test_a_cell_that_runs_again_closes_what_it_made_before(self, shell, opened):
        shell.run("a", "1")
        explorer()
        once = opened()
        for execution in "234":
            shell.run("a", execution)
            explorer()
            assert opened() == once

    def test_other_cells_and_others_of_the_same_run_stay_open(self, shell, opened):
        shell.run("a", "1")
        explorer()
        once = opened()
        explorer()
        shell.run("b", "2")
        explorer()
        assert opened() == 3 * once
        shell.run("a", "3")
        explorer()
        assert opened() == 2 * once

    def test_where_cells_have_no_names_their_code_stands_for_them(self, shell, opened):
        shell.run("", "1", "show(x)")
        explorer()
        once = opened()
        shell.run("", "2", "show(y)")
        explorer()
        assert opened() == 2 * once
        shell.run("", "3", "show(x)")
        explorer()
        assert opened() == 2 * once


class TestThePicture:
    @pytest.mark.slow  # starts a browser
    def test_the_bundle_holds_the_widget_and_the_same_figure_as_a_picture(self):
        made, _ = explorer()
        bundle = made._repr_mimebundle_()
        assert bundle[LIVE]["model_id"] == made.model_id
        picture = np.asarray(Image.open(BytesIO(base64.b64decode(bundle[PICTURE]))).convert("RGB"))
        assert picture.shape[:2] == (300, 900)
        assert picture.std() > 5  # something is drawn
        assert bundle["text/plain"] == "A square." and made.message.value == ""

    def test_several_figures_stand_in_a_column_each_as_high_as_it_is(self):
        low = square().update_layout(height=200)
        picture, missing = still_picture([square(), low])
        assert not missing and Image.open(BytesIO(base64.b64decode(picture))).size == (WIDTH, 300 + 200)

    def test_where_it_cannot_be_drawn_one_line_says_what_is_missing(self, no_pictures):
        made, _ = explorer()
        bundle = made._repr_mimebundle_()
        assert PICTURE not in bundle and LIVE in bundle
        assert "No picture is kept for GitHub: There is no browser here." in made.message.value
        assert bundle["text/plain"].startswith("A square. No picture")


class TestPointedPicture:
    def test_it_knows_its_patches(self):
        picture = PointedPicture.of(np.zeros((8, 8, 3), np.uint8), rows=2, columns=4, patch=7)
        picture.patch = 3
        with pytest.raises(Exception, match="numbered from 0 to 7; got 8"):
            picture.patch = 8
        assert picture.patch == 3

    def test_its_pixels_go_as_bytes_of_a_png(self):
        pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
        sent = PointedPicture.of(pixels, rows=1, columns=1).get_state()["picture"]
        assert (np.asarray(Image.open(BytesIO(sent))) == pixels).all()


@pytest.mark.parametrize("path", sorted(Path(sslviz.widgets.__file__).parent.rglob("*.js")), ids=lambda p: p.name)
def test_a_front_end_fetches_nothing_and_keeps_nothing(path):
    code = path.read_text()
    assert not re.search(r"https?:|//cdn|\bimport\b|\bfetch\b|XMLHttpRequest|\beval\b|innerHTML", code)
    outside = re.sub(r"^(async )?function .*?^}$", "", code, flags=re.M | re.S)
    assert not re.search(r"^\s*(let|var|const)\b", outside, re.M), "a page may show an explorer twice"
