"""What do views keep?  Sliders of a policy, the views it makes, and how far they move an encoder's features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslviz.data import Images
from sslviz.data.sampling import sample_rows
from sslviz.encoders import Encoder
from sslviz.features.embed import to_device
from sslviz.figures import contact_sheet, data_uri, score_bar_svg, theme
from sslviz.methods import METHODS
from sslviz.runs import Checkpoint
from sslviz.statistics import Score
from sslviz.views import ViewPolicy
from sslviz.widgets.parts import controls
from sslviz.widgets.parts.explorer import Explorer
from sslviz.widgets.parts.given import as_images, named_checkpoints
from sslviz.widgets.parts.html import dot, note, table
from sslviz.widgets.view_distance import encoded, moved, plain_and_views
from sslviz.widgets.view_knobs import positions, sliders, turned

SHOWN, VIEWS = 4, 8  # pictures on the sheet, and views of each: what is taken in at a glance
MEASURED, MEASURED_VIEWS = 48, 4  # pictures and views whose features are compared: a fraction of a second on a laptop
LARGEST = 96  # pixels of a view where no encoder says
CELL = 64  # pixels of a view on the page, at least
PIXELS = "pixels"  # the features that no encoder made
SHEET = "{} pictures, each followed by {} views of it"
SCALE = (0.0, 1.5)  # of the bars, the same whatever is turned, so that they can be seen to move
CAPTION = (
    "Dot: how far views move features, as a share of the way to another picture (grey tick, the control); line: 95 % "
    "interval over {} pictures. 0: blind to these views. An encoder looks the steadier the more it was trained on them."
)


def play_views(
    images: Images | np.ndarray,
    policy: ViewPolicy | str = "simclr",
    encoder: Any = None,
    *,
    seed: int = 0,
) -> ViewPlayer:
    """Which views shall an encoder find alike, and which does it?

    An explorer for notebooks.  It shows a slider for each parameter of the views, and some pictures with the views that
    come of it.  Beside them stands how far the views move features on the way to another picture.

    - images: Images or uint8 pixels (n, h, w, 3), two at least
    - policy: a ViewPolicy, or the name of a method, whose views are played
    - encoder: a Checkpoint, a Run, or {name: either}; without one only the pixels themselves are compared
    - seed: of the draw

    `policy` is the policy as the sliders stand, `settings` what was changed of it, for `pretrain(settings=...)`, and `moved`
    the scores.  ValueError for a method that does not exist, and for a single picture.

    Example:
        >>> import sslviz
        >>> player = sslviz.play_views(sslviz.shapes(n=8), "byol")
        >>> player.sliders["hue"].value = 0.0
        >>> player.settings
        {'hue': 0.0}

    Caveat: How far features move depends on how strong a view is: compare encoders, not parameters.
    """
    pictures = as_images(images)
    if len(pictures) < 2:
        raise ValueError(f"Views are compared with another picture, so two are needed at least; got {len(pictures)}.")
    if isinstance(policy, str):
        if policy not in METHODS:
            raise ValueError(f"There is no method {policy!r}; the methods are: {', '.join(METHODS)}.")
        policy = METHODS[policy].views
    checkpoints = {} if encoder is None else named_checkpoints(encoder)
    return ViewPlayer(pictures, policy, checkpoints, seed)


class ViewPlayer(Explorer):
    """What `play_views` returns.

    - sliders: {parameter: its slider}
    - policy, settings: the views as the sliders stand, and what was changed
    - moved: {encoder: how far its features move}
    """

    def __init__(self, images: Images, policy: ViewPolicy, checkpoints: Mapping[str, Checkpoint], seed: int) -> None:
        self.images, self._start = images, policy.at(1.0)
        self._encoders: dict[str, Encoder] = {name: to_device(one.encoder()) for name, one in checkpoints.items()}
        self.palette = theme.colors(checkpoints) | {PIXELS: theme.CONTROL}
        self.sheet, self.moved = np.zeros((1, 1, 3), np.uint8), dict[str, Score]()
        super().__init__(self._still)
        self.sliders = sliders(self._start)
        self.draw = controls.whole_slider("draw (seed)", seed, min(0, seed), max(99, seed))
        self._views, self._bars, self._said = (controls.caption() for _ in range(3))
        again, back = controls.button("Another draw"), controls.button("Back to the start")
        self.press(again, self._another)
        self.press(back, self._back)
        self.connect([*self.sliders.values(), self.draw], self._follow)
        self._follow()
        box = controls.row(*self.sliders.values(), self.draw)
        self.show(box, controls.row(again, back, self._said), self._views, self._bars)

    @property
    def policy(self) -> ViewPolicy:
        """The policy as the sliders stand, with as many views as it had."""
        return replace(self._start, **self.settings)

    @property
    def settings(self) -> dict[str, Any]:
        """{parameter: value} of the sliders that are not where they began."""
        return self._turned(VIEWS)[1]

    def _turned(self, views: int) -> tuple[ViewPolicy, dict[str, Any]]:
        return turned(self._start, {name: slider.value for name, slider in self.sliders.items()}, views)

    def _another(self) -> None:
        self.draw.max = max(self.draw.max, self.draw.value + 1)
        self.draw.value += 1

    def _back(self) -> None:
        for name, value in positions(self._start).items():
            self.sliders[name].value = value

    def _follow(self) -> None:
        """All that depends on the sliders: the sheet, the distances, and what was changed."""
        self.sheet = self._sheet()
        self.moved = self._distances()
        width = self.sheet.shape[1]
        look = f"width:{width}px;max-width:100%;image-rendering:pixelated"
        alt = SHEET.format(min(SHOWN, len(self.images)), VIEWS)
        self._views.value = f'<img src="{data_uri(self.sheet)}" alt="{alt}" style="{look}">{note(f"{alt}.")}'
        lines = [["", "moved, on the way to another picture", ""]] + [
            [
                f"{dot(self.palette[name])}{escape(name)}",
                score_bar_svg(score, self.palette[name], ends=SCALE),
                str(score),
            ]
            for name, score in self.moved.items()
        ]
        self._bars.value = table(lines) + note(CAPTION.format(min(MEASURED, len(self.images))))
        changed = f"settings=dict({', '.join(f'{name}={value}' for name, value in self.settings.items())})"
        self._said.value = f"<code>{escape(changed)}</code>" if self.settings else "as given"

    def _sheet(self) -> np.ndarray:
        """The first pictures, each followed by its views: uint8 (h, w, 3), enlarged without blur."""
        size = max([encoder.image_size for encoder in self._encoders.values()], default=min(LARGEST, *self.images.size))
        policy = replace(self._turned(VIEWS)[0], size=size)
        plain, views = plain_and_views(policy, self.images.pixels[:SHOWN], self.draw.value)
        rows = np.concatenate([plain[None].numpy(), views.numpy()]).transpose(
            1, 0, 3, 4, 2
        )  # (pictures, 1 + views, s, s, 3)
        pixels = (255 * rows).round().astype(np.uint8).reshape(-1, size, size, 3)
        times = -(-CELL // size)
        return contact_sheet(pixels.repeat(times, axis=1).repeat(times, axis=2), columns=1 + VIEWS, gap=4)

    def _distances(self) -> dict[str, Score]:
        """How far the views move the features of each encoder, and the pixels."""
        pixels = self.images.pixels[sample_rows(len(self.images), MEASURED)]
        policy = self._turned(MEASURED_VIEWS)[0]
        found, seed = {}, self.draw.value
        for name, encoder in self._encoders.items():
            plain, views = plain_and_views(replace(policy, size=encoder.image_size), pixels, seed)
            found[name] = moved(encoded(encoder, plain[None])[0], encoded(encoder, views))
        plain, views = plain_and_views(replace(policy, size=min(32, *self.images.size)), pixels, seed)
        return found | {PIXELS: moved(plain.flatten(1).numpy(), views.flatten(2).numpy())}

    def _still(self) -> go.Figure:
        """The sheet, and below it how far features move."""
        height, width = self.sheet.shape[:2]
        lines = [f"<b>{escape(name)}</b> moved {escape(str(score))}" for name, score in self.moved.items()]
        figure = go.Figure(go.Image(source=data_uri(self.sheet)))
        figure.update_xaxes(
            visible=False, automargin=False, range=[0, width], constrain="domain", constraintoward="left"
        )
        figure.update_yaxes(
            visible=False, automargin=False, range=[height, 0], constrain="domain", constraintoward="top"
        )
        below = {"x": 0, "y": 0, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "top", "yshift": -8}
        figure.add_annotation(text="<br>".join(lines), align="left", showarrow=False, **below)
        room = 20 * len(lines) + 16  # pixels
        margin = {"l": 12, "r": 12, "t": 12, "b": room}
        figure.update_layout(width=width + 24, height=height + 12 + room, margin=margin)
        alt = f"{SHEET.format(min(SHOWN, len(self.images)), VIEWS)}. " + "; ".join(
            f"{n}: {s}" for n, s in self.moved.items()
        )
        return theme.finish(figure, alt=alt, caption=CAPTION.format(min(MEASURED, len(self.images))))
