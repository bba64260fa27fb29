"""Attention browser: a picture whose patch under the pointer says what it looks at, in any layer and head."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslviz.data import Images
from sslviz.explanations.attention.picture_attention import (
    ArrayAttention,
    EncoderAttention,
    PictureAttention,
    maps_of,
)
from sslviz.figures import png
from sslviz.figures.explanations.attention_maps import query_view
from sslviz.runs import Checkpoint, Run
from sslviz.widgets.parts import controls
from sslviz.widgets.parts.explorer import Explorer
from sslviz.widgets.parts.given import as_checkpoint, as_images
from sslviz.widgets.parts.html import note
from sslviz.widgets.parts.live_figure import LiveFigure
from sslviz.widgets.parts.pointed_picture import PointedPicture

ALL, MEAN = "all heads", "mean of the heads"
ROLLOUT = "all layers (rollout)"
POINTED = "the patch under the pointer"


def browse_attention(checkpoint: Run | Checkpoint | np.ndarray, images: Images | np.ndarray) -> AttentionBrowser:
    """What does this patch look at, in which layer and head?

    - checkpoint: of a transformer; or attention weights (pictures, layers, heads, n, n), (layers, heads, n, n) of one picture
    - images: the pictures

    The pointer chooses the patch that looks, a click keeps it.  Maps are in multiples of uniform attention, which is a
    tick on the scale.  The control is the same encoder untrained, same layer and head.  Of weights in an array it is
    uniform attention alone.  ValueError in one sentence for encoders without attention, as by `capture_attention`.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("example", 0, {"name": "vit_nano", "image_size": 32}, None, 1)
        >>> browser = sslviz.browse_attention(checkpoint, sslviz.shapes(n=4))
        >>> browser.pointed.patch = 9  # as if the pointer were over the second patch of the second row

    Caveat: Attention says from where a layer reads, not what the features depend on; untrained encoders give maps too.
    """
    pictures = as_images(images)
    if not len(pictures) or pictures.pixels.ndim != 4:
        raise ValueError(f"Attention is looked at over pictures (n, h, w, 3); got {pictures.pixels.shape}.")
    if isinstance(checkpoint, Run | Checkpoint):
        trained = as_checkpoint(checkpoint)
        control = trained.untrained(seed=int(trained.path is None and trained.seed == 0))
        return AttentionBrowser(pictures, EncoderAttention(trained), EncoderAttention(control))
    weights = ArrayAttention(checkpoint, pictures)
    return AttentionBrowser(pictures, weights, None, weights.assumed)


class AttentionBrowser(Explorer):
    """The explorer that `browse_attention` opens.

    - picture, layer, head, query: its choices
    - pointed: the picture under the pointer
    - live: the maps
    """

    def __init__(
        self, images: Images, source: PictureAttention, control: PictureAttention | None, said: str = ""
    ) -> None:
        self._images, self._source, self._control = images, source, control
        self._read: dict[Any, np.ndarray] = {}
        heads = len(self._weights(source, self._shown(0), source.layers - 1))
        rows, columns = self._maps(source, self._shown(0), source.layers - 1, of_patches=True).shape[2:]
        layers = [(f"{i + 1} of {source.layers}", i) for i in range(source.layers)]
        self.picture = controls.choice("Picture", [(id_, i) for i, id_ in enumerate(images.ids)], 0)
        self.layer = controls.choice("Layer", [*layers, (ROLLOUT, ROLLOUT)], source.layers - 1)
        self.head = controls.choice("Head", [(MEAN, MEAN), (ALL, ALL), *((f"head {h}", h) for h in range(heads))], MEAN)
        self.query = controls.choice("What looks", [POINTED, f"the {source.tokens.query}"], POINTED)
        middle = rows // 2 * columns + columns // 2
        self.pointed = PointedPicture.of(images.pixels[0], rows=rows, columns=columns, patch=middle)
        self.live = LiveFigure(self._figure())
        super().__init__(lambda: self.live.figure)
        self.connect([self.picture], self._turn_to)
        self.connect([self.layer, self.head, self.query], self._draw)
        self.connect([self.pointed], self._draw, "patch")
        pointing = controls.caption(note("Point at a patch; a click keeps it, another lets go; arrow keys move it."))
        choices = controls.column(self.picture, self.layer, self.head, self.query, pointing)
        self.show(controls.row(self.pointed, choices), self.live.box, controls.caption(note(said)))

    def _turn_to(self) -> None:
        """Shows another picture."""
        self._read.clear()
        self.pointed.picture = png(self._images.pixels[self.picture.value])
        self._draw()

    def _draw(self) -> None:
        self.head.disabled = self.layer.value == ROLLOUT  # all heads count alike in a rollout
        self.live.show(self._figure())

    def _figure(self) -> go.Figure:
        picture = self._shown(self.picture.value)
        layer = None if self.layer.value == ROLLOUT else self.layer.value
        of_patches = self.query.value == POINTED
        look = partial(self._maps, picture=picture, layer=layer, of_patches=of_patches)
        head = MEAN if layer is None else self.head.value
        name = ROLLOUT if layer is None else head if isinstance(head, str) else f"head {head}"
        return query_view(
            _of_heads(look(self._source), head),
            picture.pixels[0],
            patch=self.pointed.patch if of_patches else None,
            control=None if self._control is None else _of_heads(look(self._control), head),
            id=str(picture.ids[0]),
            names=() if head == ALL else [name],
            query=self._source.tokens.query,
            layer="through all layers" if layer is None else f"in layer {layer + 1} of {self._source.layers}",
        )

    def _shown(self, row: int) -> Images:
        return self._images.rows(np.array([row]))

    def _maps(self, source: PictureAttention, picture: Images, layer: int | None, *, of_patches: bool) -> np.ndarray:
        return maps_of(self._weights(source, picture, layer), source.tokens, of_patches=of_patches)

    def _weights(self, source: PictureAttention, picture: Images, layer: int | None) -> np.ndarray:
        """Read once for each layer of a picture, because the pointer asks many times a second."""
        key = source, picture.ids[0], layer
        if key not in self._read:
            self._read[key] = source.weights(picture, layer)
        return self._read[key]


def _of_heads(maps: np.ndarray, head: str | int) -> np.ndarray:
    """Of maps (heads, queries, rows, columns): all, the mean of them as shares, or a single one."""
    if isinstance(head, int):
        return maps[[head]]
    if head == ALL:
        return maps
    shares = maps / np.maximum(maps.sum((2, 3), keepdims=True), 1e-12)
    return shares.mean(axis=0, keepdims=True)
