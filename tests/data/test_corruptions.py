"""Corruptions: what is drawn is the package's, seeded, ever stronger, and leaves the global state as it was."""

import sys
import time

import numpy as np
import pytest

import sslviz
from sslviz.data import digits, shapes
from sslviz.data.corruptions import corrupted
from sslviz.features.evidence import find_stimulus
from sslviz.features.pictures import corruption_seconds

ALL = (
    *(
        "gaussian_noise",
        "shot_noise",
        "impulse_noise",
        "defocus_blur",
        "glass_blur",
        "motion_blur",
        "zoom_blur",
        "snow",
    ),
    *("frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)


@pytest.fixture(scope="module")
def drawn():
    return corrupted(shapes(n=3, seed=0), severities=(1, 5), progress=False)


@pytest.mark.parametrize("size", [32, 128])
def test_the_time_that_is_told_is_about_what_drawing_takes(drawn, size):
    """Within a factor of five, as processors differ; what is compiled first was compiled for `drawn`."""
    images = shapes(n=2, seed=0, size=size)
    began = time.process_time()
    corrupted(images, progress=False)
    took = time.process_time() - began
    assert took / 5 < 2 * corruption_seconds(images) < 5 * took
    assert corruption_seconds(shapes(n=2, size=16)) == 0  # too small for any


def test_every_picture_comes_once_for_each_of_fifteen_corruptions(drawn):
    plain, rest = drawn.rows(np.arange(3)), drawn.table[3:]
    np.testing.assert_array_equal(plain.pixels, shapes(n=3, seed=0).pixels)
    assert tuple(dict.fromkeys(rest["corruption"])) == ALL and len(drawn) == 3 * (1 + 15 * 2)
    assert set(drawn.table["changed"][:3]) == {""} and set(rest["severity"]) == {1, 5}
    assert list(rest["changed"]) == [f"{c} {s}" for c, s in zip(rest["corruption"], rest["severity"], strict=True)]
    assert len(np.unique(drawn.ids)) == len(drawn)


def test_more_severe_is_farther_from_the_picture(drawn):
    pixels = drawn.pixels.astype(float)
    for name in ALL:
        far = [
            ((pixels[(drawn.table["corruption"] == name) & (drawn.table["severity"] == s)] - pixels[:3]) ** 2).mean()
            for s in (1, 5)
        ]
        assert 0 < far[0] < far[1], name


def test_contrast_is_the_published_formula():
    """Severity 3 is 0.2 of the distance from the mean of each channel."""
    images = shapes(n=1, seed=0)
    picture = images.pixels[0] / 255
    mean = picture.mean(axis=(0, 1))
    expected = np.clip((picture - mean) * 0.2 + mean, 0, 1) * 255
    out = corrupted(images, names=["contrast"], severities=[3], progress=False).pixels[1]
    assert np.abs(out - expected).max() <= 1


def test_it_is_seeded_picture_by_picture():
    images = shapes(n=4, seed=0)
    names = ["gaussian_noise", "impulse_noise", "frost", "glass_blur"]
    twice = [corrupted(images, names=names, severities=[2], seed=s, progress=False) for s in (0, 0, 1)]
    assert twice[0].digest == twice[1].digest != twice[2].digest
    fewer = corrupted(images.rows(np.arange(2)), names=["impulse_noise"], severities=[2], progress=False)
    alike = twice[0].table["corruption"] == "impulse_noise"
    np.testing.assert_array_equal(fewer.pixels[2:], twice[0].pixels[alike][:2])


def test_some_pictures_are_drawn_as_among_all():
    images, names = shapes(n=4, seed=0), ["gaussian_noise", "glass_blur"]
    whole = corrupted(images, names=names, severities=[2], progress=False)
    rows = np.array([1, 3])
    some = corrupted(images.rows(rows), names=names, severities=[2], numbers=rows, progress=False)
    np.testing.assert_array_equal(some.pixels, whole.pixels[np.isin(whole.table["object"], images.ids[rows])])
    with pytest.raises(ValueError, match="a number for each picture; there are 3 for 2"):
        corrupted(images.rows(rows), names=names, numbers=[1, 2, 3])


def test_bad_input_is_one_sentence(monkeypatch):
    with pytest.raises(ValueError, match="no corruption or severity 'rain'; there are: gaussian_noise.*1 to 5"):
        corrupted(shapes(n=1), names=["rain"])
    with pytest.raises(ValueError, match="no corruption or severity '9'"):
        corrupted(shapes(n=1), severities=[9])
    with pytest.raises(ValueError, match=r"32 px a side at least; these have \(8, 8\)"):
        corrupted(digits(size=8).rows(np.arange(2)))
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)
    with pytest.raises(ValueError, match=r"pip install \"sslviz\[audit\]\""):
        corrupted(shapes(n=1))


def test_drift_is_asked_by_name_and_draws_its_pictures_once(tmp_path, monkeypatch):
    images = shapes(n=600, seed=0)
    run = sslviz.pretrain(images.split("train"), out=tmp_path / "r", epochs=1, batch_size=64, progress=False)
    drawn = []

    def few(*given, **options):
        drawn.append(given)
        return corrupted(*given, **options, names=["contrast", "brightness"], severities=[1, 5])

    monkeypatch.setattr("sslviz.data.corruptions.corrupted", few)
    test = images.split("test")
    without = sslviz.diagnose(run, test, label="shape", progress=False)["r"]
    assert not drawn and not any(name.startswith("drift") for name in without)
    counts = []
    for _ in range(2):
        results = sslviz.diagnose(run, test, fit=images.split("probe"), only=["drift"], label="shape", progress=False)
        counts.append(len(drawn))
    result = results["r"]["drift:shape"]
    assert result.corruptions == ["contrast", "brightness"] and set(result.control_values) == {"untrained"}
    assert counts[0] == counts[1]  # for both encoders, and not again
    assert len(result.ids) == min(50 * len(drawn), 100, len(test)) and result.accuracy.shape == (2, 2)
    assert "naming drift" in find_stimulus("corrupted").missing
