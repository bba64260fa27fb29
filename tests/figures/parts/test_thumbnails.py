"""Thumbnails: are they the images, crisp, labelled, and quick?"""

import base64
import io
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from sslviz.figures.parts.thumbnails import contact_sheet, data_uri, gallery_html, png

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 12, 9, 3), dtype=np.uint8)
IDS = [f"image {i}" for i in range(7)]


def decode(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def tags(html: str, name: str) -> list[dict[str, str | None]]:
    found: list = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: found.append(dict(attrs)) if tag == name else None
    parser.feed(html)
    return found


def test_png_is_read_back_by_pillow():
    for pixels in (*PIXELS, np.zeros((1, 1, 3), np.uint8), PIXELS[0][::2, ::-1]):
        image = Image.open(io.BytesIO(png(pixels)))
        image.load()
        assert image.mode == "RGB" and np.array_equal(np.asarray(image), pixels)


def test_large_images_shrink_and_small_ones_stay():
    assert np.array_equal(decode(data_uri(PIXELS[0], 64)), PIXELS[0])
    flat = np.full((300, 200, 3), (10, 120, 250), np.uint8)
    small = decode(data_uri(flat, 60))
    assert small.shape == (60, 40, 3) and (small == flat[0, 0]).all()


def test_gallery_shows_each_image_with_its_id():
    images = tags(gallery_html(PIXELS, IDS, size=40), "img")
    assert [i["alt"] for i in images] == [i["title"] for i in images] == IDS
    for image, pixels in zip(images, PIXELS, strict=True):
        assert np.array_equal(decode(image["src"]), pixels)
        assert "width:40px;height:40px" in image["style"] and "pixelated" in image["style"]


def test_gallery_escapes():
    nasty = ['"><script>alert(1)</script>', "a&b", "<b>"]
    html = gallery_html(PIXELS[:3], nasty, captions=nasty)
    assert not tags(html, "script") and not tags(html, "b")
    assert [i["alt"] for i in tags(html, "img")] == [f"{x}: {x}" for x in nasty]
    assert "a&amp;b</figcaption>" in html


def test_gallery_says_what_it_leaves_out():
    html = gallery_html(PIXELS, IDS, limit=3)
    assert len(tags(html, "img")) == 3 and "+ 4 more" in html
    assert gallery_html(PIXELS[:0], []).count("<img") == 0
    with pytest.raises(ValueError, match="one id"):
        gallery_html(PIXELS, IDS[:3])


@pytest.mark.parametrize("columns, gap", [(3, 1), (7, 0), (20, 2)])
def test_contact_sheet_holds_every_image_in_reading_order(columns, gap):
    sheet = contact_sheet(PIXELS, columns, gap)
    n, h, w, _ = PIXELS.shape
    columns = min(columns, n)
    assert sheet.shape == (-(-n // columns) * (h + gap) - gap, columns * (w + gap) - gap, 3)
    for i in range(n):
        top, left = i // columns * (h + gap), i % columns * (w + gap)
        assert np.array_equal(sheet[top : top + h, left : left + w], PIXELS[i])
    assert (sheet == 255).all(axis=-1).sum() >= sheet.shape[0] * sheet.shape[1] - n * h * w
