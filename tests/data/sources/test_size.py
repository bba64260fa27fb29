"""Pictures are read as large as the encoder looks at, and no larger than they are; what is enlarged is said.  Two seconds."""

import numpy as np
import pytest
from PIL import Image

from sslviz.data import folder, load_images
from sslviz.data.sources.decoding import default_size


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLVIZ_CACHE", str(tmp_path / "cache"))


def photographs(tmp_path, side, n=3):
    for i in range(n):
        (tmp_path / "p" / "cat").mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (side, side + 40, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "p" / "cat" / f"{i}.png", compress_level=1)
    return tmp_path / "p"


def told(images, word):
    return [line for line in images.reading.lines if word in line]


@pytest.mark.parametrize(
    ("side", "encoder", "expected"),
    [
        (600, None, 224),
        (600, 32, 224),
        (600, 224, 224),
        (600, 384, 384),
        (600, 518, 518),
        (300, 518, 288),
        (40, 518, 32),
    ],
)
def test_the_size_follows_the_largest_encoder_up_to_the_pictures_own(side, encoder, expected):
    assert default_size([side] * 3, encoder) == expected


def test_what_the_encoder_looks_at_is_read_and_what_is_enlarged_is_said_once(tmp_path):
    root = photographs(tmp_path, 400)
    plain, large = load_images(f"folder:{root}"), load_images(f"folder:{root}", 384)
    assert plain.size == (224, 224) and large.size == (384, 384)
    assert large.spec == f"folder:{root},size=384" and load_images(large.spec).digest == large.digest
    assert not told(plain, "encoder") and not told(large, "encoder")
    (said,) = told(load_images(f"folder:{root}", 518), "encoder")
    assert said.startswith(
        "The encoder looks at 518 px: pictures of 384 px (their median shorter side is 400) are enlarged"
    )


def test_a_size_in_the_spec_wins_and_is_said_to_be_enlarged(tmp_path):
    root = photographs(tmp_path, 400)
    images = load_images(f"folder:{root},size=64", 384)
    assert images.size == (64, 64) and told(images, "pictures of 64 px (as asked) are enlarged for it")


@pytest.mark.parametrize("first", [48, 96])
def test_what_is_cached_changes_no_pixel(tmp_path, first):
    """A size is decoded from the files whatever lies in the cache: two people get the same digest."""
    root = photographs(tmp_path, 120)
    alone = folder(root, size=48, cache=tmp_path / "alone").digest
    folder(root, size=first)
    assert folder(root, size=48).digest == alone


def test_a_named_dataset_follows_too_and_says_what_was_taken(tmp_path):
    root = photographs(tmp_path, 300, n=4)
    images = load_images(f"torch/image_folder:root={root},limit=3,split=train", 256)
    assert images.size == (256, 256) and images.reading.layout == "the dataset torch/image_folder, split train"
    assert images.reading.lines[1] == "3 of 4 pictures, evenly spread (limit=3)."
    whole = load_images(f"torch/image_folder:root={root},size=32,split=train", 256)
    assert whole.reading.lines[1] == "All 4 pictures." and told(whole, "as asked) are enlarged")


def test_deep_pictures_of_a_named_dataset_share_a_scale(tmp_path):
    for i, top in enumerate((4095, 1000)):
        (tmp_path / "p" / "a").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((16, 16), top, np.uint16)).save(tmp_path / "p" / "a" / f"{i}.png")
    images = load_images(f"torch/image_folder:root={tmp_path}/p,size=16")
    assert images.pixels[:, 8, 8, 0].tolist() == [255, 62] and told(images, "12 bits deep")
