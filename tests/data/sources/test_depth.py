"""Deep pictures of a folder share one scale, which is said; what has no scale is unreadable, by name.  Two seconds."""

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from sslviz.data import folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLVIZ_CACHE", str(tmp_path / "cache"))


def grey(tmp_path, pictures, **how):
    """The middle rows of deep pictures, {name: values of a row}, as they come out of a folder; and what is said."""
    root = tmp_path / "p"
    root.mkdir(exist_ok=True)
    for name, values in pictures.items():
        values = np.asarray(values)
        Image.fromarray(np.tile(values, (len(values), 1))).save(root / name, **how)
    images = folder(root, size=len(values))
    return {
        id_: row[len(values) // 2, :, 0].tolist() for id_, row in zip(images.ids, images.pixels, strict=True)
    }, images


def ramp(top, kind, n=16):
    return np.linspace(0, top, n).astype(kind)


def told(images, word):
    return [line for line in images.reading.lines if word in line]


EVEN = np.rint(np.linspace(0, 255, 16))


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_the_depth_is_that_of_the_largest_value_of_all(tmp_path, suffix, bits):
    top = 2**bits - 1
    got, images = grey(tmp_path, {f"a.{suffix}": ramp(top, np.uint16), f"b.{suffix}": ramp(top // 4, np.uint16)})
    assert np.abs(got[f"a.{suffix}"] - EVEN).max() <= 2
    assert np.abs(got[f"b.{suffix}"] - EVEN / 4).max() <= 2  # a dark one stays dark
    assert told(images, f"read as {bits} bits deep: the values of 2 pictures lie from 0 to {top:,}")


@pytest.mark.parametrize("tag", [281, 341])
def test_a_depth_that_the_files_declare_counts(tmp_path, tag):
    tags = ImageFileDirectory_v2()
    tags[tag] = 4095
    got, images = grey(tmp_path, {"a.tif": ramp(900, np.uint16)}, tiffinfo=tags)
    assert abs(max(got["a.tif"]) - 255 * 900 / 4095) <= 1 and told(images, "12 bits deep")[0].endswith("declare 4,095.")


def test_a_pgm_declares_its_depth(tmp_path):
    (tmp_path / "p").mkdir()
    values = np.full((12, 12), 1000, ">u2")
    (tmp_path / "p" / "a.pgm").write_bytes(b"P5 12 12 4095\n" + values.tobytes())
    assert abs(int(folder(tmp_path / "p", size=12).pixels[0, 5, 5, 0]) - 255 * 1000 / 4095) <= 1


def test_each_kind_has_its_own_scale_and_eight_bits_stay_as_they_are(tmp_path):
    pictures = {"a.png": ramp(4095, np.uint16), "b.png": ramp(255, np.uint8), "c.tif": ramp(1, np.float32)}
    got, images = grey(tmp_path, pictures | {"d.tif": ramp(2**31 - 1, np.int32)})
    assert all(np.abs(row - EVEN).max() <= 1 for row in got.values())
    assert (
        told(images, "16-bit") and told(images, "32-bit") and told(images, "floating-point pictures are read with 1 as")
    )


@pytest.mark.parametrize("hot", [1.01, 1.5, 255.0, 1e30])
def test_a_hot_pixel_does_not_turn_a_picture_black(tmp_path, hot):
    values = np.tile(ramp(1, np.float32, 64), (64, 1))
    values[0, 0] = hot
    (tmp_path / "p").mkdir()
    Image.fromarray(values).save(tmp_path / "p" / "a.tif")
    images = folder(tmp_path / "p", size=64)
    assert np.abs(images.pixels[0, 32, :, 0] - np.linspace(0, 255, 64)).max() <= 1
    assert told(images, "clipped")


@pytest.mark.parametrize("top", [1.0, 255.0, 4095.0, 65535.0, 1.01, 7.5, 1e-3, 1e6])
def test_floating_point_pictures_are_neither_black_nor_white(tmp_path, top):
    got, _ = grey(tmp_path, {"a.tif": ramp(top, np.float32)})
    assert np.abs(got["a.tif"] - EVEN).max() <= 5


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_negative_values_become_black(tmp_path, kind):
    got, images = grey(tmp_path, {"a.tif": np.linspace(-1024, 3071, 16).astype(kind), "b.tif": np.full(16, 0, kind)})
    assert np.abs(got["a.tif"] - EVEN).max() <= 1 and abs(got["b.tif"][0] - 255 * 1024 / 4095) <= 1
    assert told(images, "negative values: the values of 2 pictures lie from -1,024 to 3,071")


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_pictures_that_are_not_finite_are_named(tmp_path, odd):
    values = ramp(1, np.float32)
    pictures = {"a.tif": values, "b.tif": np.where(np.arange(16) == 3, np.float32(odd), values)}
    with pytest.raises(ValueError, match=r"1 of 2 pictures .*b.tif \(it holds NaN or infinite values\)"):
        grey(tmp_path, pictures)
    with pytest.warns(UserWarning, match="b.tif"):
        images = folder(tmp_path / "p", size=16, on_error="skip")
    assert np.abs(images.pixels[0, 8, :, 0] - EVEN).max() <= 1
    assert images.reading.passed_over == {"cannot be read (it holds NaN or infinite values)": ["b.tif"]}


def test_pictures_that_come_out_black_beside_others_are_counted(tmp_path):
    _, images = grey(tmp_path, {"a.tif": ramp(255, np.float32), "b.tif": ramp(1, np.float32)})
    assert told(images, "1 of 2 floating-point pictures come out nearly black")


def test_deep_colours_are_read_by_their_upper_bits_and_that_is_said(tmp_path):
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + np.full((12, 3), 4095, ">u2").tobytes() for _ in range(12))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 12, 12, 16, 2, 0, 0, 0))
    (tmp_path / "p").mkdir()
    content = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "p" / "a.png").write_bytes(content)
    images = folder(tmp_path / "p", size=12)
    assert told(images, "upper eight bits: the largest value of 1 pictures is 15 of 255") and images.pixels.max() == 15


def test_another_rule_is_another_cache_and_the_same_one_decodes_nothing(tmp_path, monkeypatch):
    from sslviz.data.sources import decoding, depth

    got, images = grey(tmp_path, {"a.png": ramp(4095, np.uint16)})
    Image.fromarray(np.full((16, 16), 65535, np.uint16)).save(tmp_path / "p" / "b.png")
    assert folder(tmp_path / "p", size=16).pixels[0].max() < 17 < images.pixels.max()
    (tmp_path / "p" / "b.png").unlink()
    monkeypatch.setattr(decoding, "square", lambda *a: pytest.fail("decoded again"))
    monkeypatch.setattr(depth, "extremes", lambda *a: pytest.fail("looked through again"))
    again = folder(tmp_path / "p", size=16)
    assert again.digest == images.digest and again.reading == images.reading
