"""The same table of a drawn world in another style: a shift in which every picture has its twin."""

from __future__ import annotations

from dataclasses import replace

from sslviz.data.images import Images
from sslviz.data.worlds.counterfactuals import world_of
from sslviz.data.worlds.world import Style, render

STYLES = {
    "recolored": Style(channels=(1, 2, 0)),  # the four colours become four others, greys stay
    "night": Style(gamma=2.5, noise=2.0),  # the ground sinks to 0.02, and a camera would boost its noise
    "faded": Style(levels=(0.45, 0.85)),  # as through mist
    "negative": Style(levels=(1.0, 0.0)),
    "noisy": Style(noise=4.0),
    "blurred": Style(blur=0.05),  # corners of shapes go, their areas stay
}


def restyled(images: Images, style: str) -> Images:
    """What would the same pictures look like in another style?  The same table and ids, so that a shift is paired.

    `images` is any slice of a world drawn here, such as `shapes`.  Styles:

    - recolored: another palette
    - night: a darker ground and twice the noise
    - faded: little contrast, as through mist
    - negative: dark for light
    - noisy: four times the noise
    - blurred: by a twentieth of the side

    Shape, place, size and the noise's own pattern stay.  The `spec` of the result makes it again, as in
    `load_images("shapes:n=400,style=night")`.  ValueError for an unknown style, and for images that no world here drew.

    Example:
        >>> import sslviz
        >>> images = sslviz.shapes(n=20, seed=0)
        >>> night = sslviz.restyled(images, "night")
        >>> night.table.equals(images.table), bool(night.pixels.mean() < images.pixels.mean())
        (True, True)
    """
    pixels, _ = render(world_of(images, "Another style"), images.table, images.size[0], find_style(style))
    drawn, split, rest = images.spec.partition(",split=")
    return replace(images, pixels=pixels, spec=f"{drawn},style={style}{split}{rest}" if drawn else "")


def find_style(name: str) -> Style:
    """The style of this name; ValueError where there is none."""
    if name not in STYLES:
        raise ValueError(f"There is no style {name!r}; the styles are: {', '.join(STYLES)}.")
    return STYLES[name]
