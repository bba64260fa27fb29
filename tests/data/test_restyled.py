"""Restyled worlds: the same table, other pictures, and a spec that makes them again."""

import numpy as np
import pytest

from sslviz.data import load_images, randbit, restyled, shapes, tagged_shapes, textured
from sslviz.data.worlds import STYLES


@pytest.mark.parametrize("draw", [shapes, tagged_shapes, textured, randbit])
@pytest.mark.parametrize("style", STYLES)
def test_table_ids_and_masks_stay_and_every_picture_is_another(draw, style):
    images = draw(n=24, seed=3)
    other = restyled(images, style)
    assert other.table.equals(images.table) and (other.ids == images.ids).all()
    assert all((other.masks[name] == mask).all() for name, mask in images.masks.items())
    assert (other.pixels != images.pixels).any(axis=(1, 2, 3)).all()
    assert other.digest != images.digest


@pytest.mark.parametrize("style", STYLES)
def test_its_spec_makes_it_again_whole_and_in_part(style):
    images = shapes(n=80, seed=1)
    other = restyled(images, style)
    for one in (other, other.split("test"), restyled(images.split("test"), style)):
        again = load_images(one.spec)
        assert (again.pixels == one.pixels).all() and again.spec == one.spec and f",style={style}" in one.spec
    some = np.array([5, 2, 70])
    assert (restyled(images.rows(some), style).pixels == other.pixels[some]).all()


def test_each_style_is_what_it_says():
    images = shapes(n=60, seed=0)
    ground, object_ = ~images.masks["object"], images.masks["object"]

    def level(pixels, where):
        return np.mean([picture[mask].mean() / 255 for picture, mask in zip(pixels, where, strict=True)])

    made = {style: restyled(images, style).pixels for style in STYLES}
    assert level(made["night"], ground) < 0.1 < 0.2 < level(images.pixels, ground)
    assert level(made["negative"], ground) == pytest.approx(1 - level(images.pixels, ground), abs=0.01)
    contrast = [level(x, object_) - level(x, ground) for x in (made["faded"], images.pixels)]
    assert contrast[0] == pytest.approx(0.4 * contrast[1], abs=0.02)
    assert made["recolored"].mean() == pytest.approx(images.pixels.mean(), abs=1)
    hues = {
        color: images.pixels[images.table["color"] == color][object_[images.table["color"] == color]].mean(axis=0)
        for color in set(images.table["color"])
    }
    for color, hue in hues.items():
        now = made["recolored"][images.table["color"] == color][object_[images.table["color"] == color]].mean(axis=0)
        np.testing.assert_allclose(now, hue[[1, 2, 0]], atol=3)

    def roughness(pixels):
        return np.abs(np.diff(pixels.astype(float), axis=2))[..., :, :, :].mean()

    assert roughness(made["noisy"]) > 2 * roughness(images.pixels)


def test_what_cannot_be_restyled_is_one_sentence(monkeypatch):
    images = shapes(n=4)
    with pytest.raises(ValueError, match="no style 'cubist'; the styles are: recolored, night"):
        restyled(images, "cubist")
    with monkeypatch.context() as patch, pytest.raises(ValueError, match="no style 'cubist'"):
        patch.setattr("sslviz.data.worlds.world.render", None)  # it is said before anything is drawn
        load_images("shapes:n=4,style=cubist")
    with pytest.raises(ValueError, match="Another style needs images as shapes"):
        restyled(restyled(images, "night"), "faded")
    with pytest.raises(ValueError, match="digits has no setting 'style'"):
        load_images("digits:style=night")
