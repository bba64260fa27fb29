"""Images: what they hold, where they come from, and what is answered to pictures that are broken or odd."""

import importlib.util
import os
import signal
import struct
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import convolve1d
from sklearn.datasets import load_digits

from sslviz.data import Images, digits, folder, named
from sslviz.data.sources import decoding

RED, WHITE = (255, 0, 0), (255, 255, 255)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Every test has a cache of its own."""
    monkeypatch.setenv("SSLVIZ_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


def some_images(n=20, **columns):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (n, 8, 8, 3), np.uint8)
    return Images(pixels, np.arange(n).astype(str), pd.DataFrame({"label": rng.choice(["a", "b"], n), **columns}))


def save(path, color=RED, size=(40, 40), **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path, **how)
    return path


@pytest.fixture
def classes(tmp_path):
    """Two classes of three pictures, each of its own colour."""
    root = tmp_path / "pictures"
    for i in range(3):
        save(root / "cat" / f"{i}.png", (i, 0, 0))
        save(root / "dog" / "old" / f"{i}.png", (100 + i, 0, 0))
    return root


# --- Images -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pixels": np.zeros((20, 8, 8, 3), np.float32)}, "uint8 pixels of shape"),
        ({"pixels": np.zeros((20, 8, 8), np.uint8)}, r"got uint8 \(20, 8, 8\)"),
        ({"ids": np.array(["a"] * 20)}, "unique ids"),
        ({"ids": np.arange(19).astype(str)}, "one id, table row and mask per picture"),
        ({"masks": {"object": np.zeros((3, 8, 8), bool)}}, "'mask object': 3"),
    ],
)
def test_images_that_do_not_fit_together_are_refused(change, said):
    with pytest.raises(ValueError, match=said):
        replace(some_images(), **change)


def test_the_digest_changes_with_any_pixel_id_or_entry():
    images = some_images()
    pixels, ids, table = images.pixels.copy(), images.ids.copy(), images.table.copy()
    pixels[-1, -1, -1, -1] ^= 1
    ids[3] = "x"
    table.loc[5, "label"] = "c"
    changed = [replace(images, pixels=pixels), replace(images, ids=ids), replace(images, table=table)]
    renamed = replace(images, table=images.table.rename(columns={"label": "kind"}))
    digests = {one.digest for one in [images, *changed, renamed]}
    assert len(digests) == 5
    assert some_images().digest == images.digest
    assert replace(images, table=pd.DataFrame(index=range(20))).digest not in digests


def test_rows_take_everything_along():
    images = replace(some_images(), masks={"object": np.random.default_rng(1).random((20, 8, 8)) < 0.5})
    for keep in (np.array([4, 1, 7]), np.array([-2, -1]), np.arange(20) % 3 == 0, np.arange(5, 9), np.array([], int)):
        part = images.rows(keep)
        where = np.arange(20)[keep]
        np.testing.assert_array_equal(part.pixels, images.pixels[where])
        np.testing.assert_array_equal(part.masks["object"], images.masks["object"][where])
        assert part.ids.tolist() == where.astype(str).tolist()
        assert part.table["label"].tolist() == images.table["label"].iloc[where].tolist()
    with pytest.raises(IndexError):
        images.rows(np.array([19, 20]))


def test_consecutive_rows_copy_nothing():
    images = some_images()
    assert np.shares_memory(images.rows(np.arange(5, 9)).pixels, images.pixels)
    assert not np.shares_memory(images.rows(np.array([5, 7])).pixels, images.pixels)


def test_split_by_id_stays_when_images_come_and_go():
    n = 20_000
    table, pixels = pd.DataFrame(index=range(n)), np.zeros((n, 1, 1, 3), np.uint8)
    images = Images(pixels, np.arange(n).astype(str), table, spec="x")
    parts = {name: images.split(name) for name in ("train", "probe", "test")}
    assert sum(map(len, parts.values())) == n
    for name, p in (("train", 0.6), ("probe", 0.2), ("test", 0.2)):
        assert abs(len(parts[name]) / n - p) < 4 * np.sqrt(p * (1 - p) / n) + 1 / 256  # a byte is not divisible by 5
    fewer = images.rows(np.arange(0, n, 2)).split("test")
    assert set(fewer.ids) == set(parts["test"].ids) & {str(i) for i in range(0, n, 2)}
    assert parts["test"].spec == "x:split=test"


def test_a_split_that_is_not_there_is_answered_with_those_that_are():
    images = some_images(split=["train"] * 10 + ["val"] * 9 + [np.nan])
    assert len(images.split("val")) == 9
    with pytest.raises(ValueError, match="no split 'test' here; the splits are: nan, train, val"):
        images.split("test")


# --- digits -----------------------------------------------------------------------------------------------------------


def test_digits_are_scikit_learns():
    images, source = digits(), load_digits()
    assert images.size == (32, 32) and images.table["label"].tolist() == source.target.astype(str).tolist()
    means = images.pixels[..., 0].reshape(-1, 8, 4, 8, 4).mean((2, 4))
    # A pixel enlarged bilinearly four times and averaged again is 3/4 itself and 1/8 each neighbour, both ways.
    expected = source.images * 255 / 16
    for axis in (1, 2):
        expected = convolve1d(expected, [1 / 8, 3 / 4, 1 / 8], axis=axis, mode="nearest")
    assert np.abs(means - expected).max() <= 1
    np.testing.assert_array_equal(digits(size=8).pixels[..., 1], np.rint(source.images * 255 / 16))
    with pytest.raises(ValueError, match="size >= 8"):
        digits(size=4)


# --- folder: what is taken from it ------------------------------------------------------------------------------------


def test_class_folders_become_labels(classes):
    images = folder(classes)
    names = [f"{c}/{i}.png" for c in ("cat", "dog/old") for i in range(3)]
    assert images.ids.tolist() == names
    assert images.table["label"].tolist() == ["cat"] * 3 + ["dog"] * 3
    np.testing.assert_array_equal(images.pixels[:, 0, 0, 0], [0, 1, 2, 100, 101, 102])
    assert isinstance(images.pixels, np.memmap) and images.size == (32, 32)
    assert images.spec == f"folder:{classes},size=32"


def test_split_folders_become_splits(tmp_path):
    for split in ("train", "val"):
        for label in ("cat", "dog"):
            save(tmp_path / "p" / split / label / "0.png")
    images = folder(tmp_path / "p")
    assert images.table["split"].tolist() == ["train"] * 2 + ["val"] * 2
    assert images.table["label"].tolist() == ["cat", "dog"] * 2
    assert images.split("val").ids.tolist() == ["val/cat/0.png", "val/dog/0.png"]
    assert np.shares_memory(images.split("val").pixels, images.pixels)


def test_a_folder_called_test_among_classes_is_a_class(tmp_path):
    for label in ("test", "cat"):
        save(tmp_path / "p" / label / "0.png")
    assert folder(tmp_path / "p").table.to_dict("list") == {"label": ["cat", "test"]}


def test_metadata_gives_labels_attributes_and_splits(tmp_path):
    root = tmp_path / "p"
    for name in ("b.png", "deep/a.png", "unnamed.png"):
        save(root / name)
    (root / "metadata.csv").write_text("age,file_name,label,split\n3,b.png,NA,train\n,./deep/a.png,None,test\n")
    images = folder(root)
    assert images.ids.tolist() == ["b.png", "deep/a.png"]
    assert images.table["label"].tolist() == ["NA", "None"]  # words, not missing values
    assert images.table["age"].iloc[0] == 3 and np.isnan(images.table["age"].iloc[1])
    assert images.split("test").ids.tolist() == ["deep/a.png"]


def test_metadata_inside_split_folders(tmp_path):
    for split, label in (("train", "x"), ("test", "y")):
        save(tmp_path / "p" / split / "0.png")
        (tmp_path / "p" / split / "metadata.csv").write_text(f"file_name,kind\n0.png,{label}\n")
    images = folder(tmp_path / "p")
    assert images.ids.tolist() == ["test/0.png", "train/0.png"]
    assert images.table["kind"].tolist() == ["y", "x"] and images.table["split"].tolist() == ["test", "train"]


def test_a_flat_folder_has_no_labels(tmp_path):
    for name in ("b.JPG", "a.png"):
        save(tmp_path / "p" / name)
    save(tmp_path / "p" / ".hidden.png")
    save(tmp_path / "p" / ".cache" / "x.png")
    (tmp_path / "p" / "notes.txt").write_text("no picture")
    images = folder(tmp_path / "p")
    assert images.ids.tolist() == ["a.png", "b.JPG"] and list(images.table) == [] and images.digest


def test_links_to_class_folders_are_followed(classes, tmp_path):
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "cat").symlink_to(classes / "cat")
    assert folder(tmp_path / "linked").ids.tolist() == [f"cat/{i}.png" for i in range(3)]


@pytest.mark.parametrize(
    ("csv", "said"),
    [
        ("name,label\na.png,x\n", "needs a column 'file_name'; its columns are: name, label"),
        ("", "cannot be read as a table"),
        ("file_name,label\n", "at least one row"),
        ("file_name,label\n,x\n", "a file_name in every row"),
        ("file_name\na.png\nb.png\n", r"names 1 files that are not there: b.png"),
        ("file_name\n" + "".join(f"{i}.png\n" for i in range(9)), r"names 9 files .*: 0.png, 1.png, 2.png, \.\.\."),
        ("file_name\na.png\n./a.png\n", "names 'a.png' more than once"),
    ],
)
def test_metadata_that_does_not_fit_is_answered(tmp_path, csv, said):
    save(tmp_path / "p" / "a.png")
    (tmp_path / "p" / "metadata.csv").write_text(csv)
    with pytest.raises(ValueError, match=said):
        folder(tmp_path / "p")


def test_metadata_that_is_no_text_is_answered(tmp_path):
    save(tmp_path / "p" / "a.png").rename(tmp_path / "p" / "metadata.csv")
    with pytest.raises(ValueError, match="cannot be read as a table"):
        folder(tmp_path / "p")


def test_folders_that_cannot_be_meant_are_answered(tmp_path, classes):
    (tmp_path / "empty" / "cat").mkdir(parents=True)
    with pytest.raises(ValueError, match="no pictures in .*empty; looked for .avif, .bmp"):
        folder(tmp_path / "empty")
    with pytest.raises(ValueError, match="There is no folder .*nowhere"):
        folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="is a file, not a folder"):
        folder(classes / "cat" / "0.png")
    save(classes / "loose.png")
    with pytest.raises(
        ValueError, match=r"holds 1 pictures \('loose.png', ...\) beside its class folders \(cat, dog\)"
    ):
        folder(classes)
    with pytest.raises(ValueError, match="at least 8 pixels; got 4"):
        folder(classes / "cat", size=4)
    with pytest.raises(ValueError, match="'raise' or 'skip'; got 'ignore'"):
        folder(classes / "cat", on_error="ignore")


# --- folder: pictures of every kind -----------------------------------------------------------------------------------


def decoded(tmp_path, name, image, **how):
    (tmp_path / "p").mkdir(exist_ok=True)
    image.save(tmp_path / "p" / name, **how)
    return folder(tmp_path / "p", size=32).pixels[0]


def ramp(dtype, top, shape=(32, 32)):
    """A grey ramp from 0 to `top`, and what it should look like in eight bits."""
    values = np.linspace(0, top, shape[0] * shape[1]).reshape(shape)
    return values.astype(dtype), np.rint(np.linspace(0, 255, shape[0] * shape[1])).reshape(shape)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_plain_modes_keep_their_colours(tmp_path, mode):
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[:, 16:] = 255 if mode in "1L" else RED
    got = decoded(tmp_path, "a.png", Image.fromarray(picture).convert(mode))
    np.testing.assert_array_equal(got, picture)


def test_cmyk_becomes_rgb(tmp_path):
    got = decoded(tmp_path, "a.jpg", Image.new("CMYK", (32, 32), (0, 255, 255, 0)), quality=95)
    assert np.abs(got.astype(int) - RED).max() <= 3


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_on_white(tmp_path, mode):
    picture = Image.new("RGBA", (32, 32), (*RED, 0))
    picture.paste((0, 0, 0, 255), (16, 0, 32, 32))
    got = decoded(tmp_path, "a.png", picture.quantize(4) if mode == "P" else picture.convert(mode))
    np.testing.assert_array_equal(got[:, :16], np.broadcast_to(WHITE, (32, 16, 3)))
    np.testing.assert_array_equal(got[:, 16:], 0)


def test_half_transparency_is_mixed_with_white(tmp_path):
    got = decoded(tmp_path, "a.png", Image.new("RGBA", (32, 32), (0, 0, 0, 128)))
    assert np.abs(got.astype(int) - (255 - 128)).max() <= 1


@pytest.mark.parametrize(
    ("name", "dtype", "top"),
    [("a.png", np.uint16, 65535), ("a.tif", np.uint16, 65535), ("a.tif", np.int32, 2**31 - 1)]
    + [("a.tif", np.int32, 65535), ("a.tif", np.float32, 1.0), ("a.tif", np.float32, 255.0)],
)
def test_deep_greys_are_scaled_not_clipped(tmp_path, name, dtype, top):
    values, expected = ramp(dtype, top)
    got = decoded(tmp_path, name, Image.fromarray(values))
    assert np.abs(got - expected[..., None]).max() <= 1


def test_a_dark_sixteen_bit_picture_stays_dark_beside_a_bright_one(tmp_path):
    (tmp_path / "p").mkdir()
    Image.fromarray(ramp(np.uint16, 65535)[0]).save(tmp_path / "p" / "bright.png")
    assert decoded(tmp_path, "a.png", Image.fromarray(ramp(np.uint16, 255)[0])).max() <= 1


def test_an_animation_shows_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (32, 32), color) for color in (RED, (0, 255, 0), (0, 0, 255))]
    for name in ("a.gif", "b.webp", "c.png"):
        (tmp_path / name).mkdir()
        got = decoded(tmp_path / name, name, frames[0], save_all=True, append_images=frames[1:])
        assert np.abs(got.astype(int) - RED).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_says_where_up_is(tmp_path, orientation):
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[:8, :8] = 255  # a mark in the top left of what is stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    got = decoded(tmp_path, "a.png", Image.fromarray(picture), exif=exif)
    corner = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}[orientation]
    marks = {(y, x): got[-y, -x, 0] for y in (0, 1) for x in (0, 1)}
    assert max(marks, key=marks.get) == corner and sorted(marks.values()) == [0, 0, 0, 255]


@pytest.mark.parametrize("size", [(96, 32), (32, 97)])
def test_the_middle_is_kept(tmp_path, size):
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    top, left = (size[1] - 32) // 2, (size[0] - 32) // 2
    middle = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    picture[top : top + 32, left : left + 32] = middle
    np.testing.assert_array_equal(decoded(tmp_path, "a.png", Image.fromarray(picture)), middle)


def test_shrinking_is_antialiased_and_large_jpegs_are_no_exception(tmp_path):
    y, x = np.mgrid[:1024, :1024]
    checks = Image.fromarray((255 * ((x // 4 + y // 4) % 2)).astype(np.uint8))
    for name in ("a.png", "a.jpg"):
        (tmp_path / name).mkdir()
        got = decoded(tmp_path / name, name, checks.convert("RGB"))
        assert np.abs(got.astype(int) - 127).max() <= 2


@pytest.mark.parametrize(
    ("sides", "expected"), [([10], 32), ([32, 32], 32), ([100, 100, 5000], 96), ([220], 224), ([4000], 224), ([], 32)]
)
def test_the_default_size_is_the_median_in_steps_that_suit_encoders(sides, expected):
    assert decoding.default_size(sides) == expected


def test_the_default_size_comes_from_the_pictures(tmp_path):
    for i, side in enumerate((60, 64, 300)):
        save(tmp_path / "p" / f"{i}.png", size=(side + 50, side))
    assert folder(tmp_path / "p").size == (64, 64)


# --- folder: broken pictures ------------------------------------------------------------------------------------------


def break_some(root):
    """A truncated PNG, a text named .jpg, an empty file and a picture of one pixel; returns what is said of each."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    noise.save(root / "cat" / "cut.png")
    content = (root / "cat" / "cut.png").read_bytes()
    (root / "cat" / "cut.png").write_bytes(content[: len(content) // 2])
    (root / "cat" / "text.jpg").write_text("this is no picture")
    (root / "dog" / "void.png").write_bytes(b"")
    save(root / "dog" / "dot.png", size=(1, 1))
    return {
        "cat/cut.png": "truncated",
        "cat/text.jpg": "not a picture",
        "dog/void.png": "the file is empty",
        "dog/dot.png": "1x1 pixels is too small",
    }


def test_unreadable_pictures_are_named(classes):
    broken = break_some(classes)
    with pytest.raises(ValueError, match="4 of 10 pictures in .* cannot be read") as refused:
        folder(classes)
    for name, reason in broken.items():
        assert name in str(refused.value) and reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_unreadable_pictures_are_left_out_and_listed(classes):
    broken = break_some(classes)
    with pytest.warns(UserWarning, match="4 of 10 pictures") as said:
        images = folder(classes, on_error="skip")
    assert all(name in str(said[0].message) for name in broken)
    assert images.ids.tolist() == [f"{c}/{i}.png" for c in ("cat", "dog/old") for i in range(3)]
    np.testing.assert_array_equal(images.pixels[:, 0, 0, 0], [0, 1, 2, 100, 101, 102])
    assert images.table["label"].tolist() == ["cat"] * 3 + ["dog"] * 3
    assert images.spec.endswith(",on_error=skip")


def test_a_folder_of_broken_pictures_only_is_refused_even_then(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.jpg").write_text("no")
    with pytest.raises(ValueError, match="1 of 1 pictures"):
        folder(tmp_path / "p", on_error="skip")


def test_many_broken_pictures_make_one_short_sentence(tmp_path):
    (tmp_path / "p").mkdir()
    for i in range(500):
        (tmp_path / "p" / f"{i}.jpg").write_text("no")
    with pytest.raises(ValueError, match="500 of 500 pictures") as refused:
        folder(tmp_path / "p")
    assert len(str(refused.value)) < 600


# --- folder: the cache ------------------------------------------------------------------------------------------------


def test_a_second_look_decodes_nothing(classes, monkeypatch):
    first = folder(classes)
    monkeypatch.setattr(decoding, "square", lambda *a: pytest.fail("decoded again"))
    second = folder(classes)
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert isinstance(second.pixels, np.memmap) and not second.pixels.flags.writeable
    assert "digest" in vars(second)  # known without hashing
    assert second.digest == replace(second).digest == first.digest


@pytest.mark.parametrize("change", ["content", "name", "more", "size", "metadata"])
def test_what_changed_is_decoded_again(classes, change):
    before = folder(classes)
    if change == "content":
        save(classes / "cat" / "0.png", (77, 0, 0))
        os.utime(classes / "cat" / "0.png", ns=(0, 0))
    elif change == "name":
        (classes / "cat" / "0.png").rename(classes / "cat" / "9.png")
    elif change == "more":
        save(classes / "cat" / "3.png")
    elif change == "metadata":
        (classes / "metadata.csv").write_text("file_name,label\ncat/0.png,lion\n")
    after = folder(classes, size=64 if change == "size" else None)
    assert after.digest != before.digest
    assert after.digest == replace(after).digest


def test_a_picture_that_could_not_be_opened_is_tried_again_once_it_can(classes, monkeypatch):
    def forbidden(path):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("sslviz.data.sources.folder.read", forbidden)
        with pytest.raises(ValueError, match="6 of 6 pictures .*Permission denied"):
            folder(classes)
    for path in classes.rglob("*.png"):
        path.chmod(0o640)  # its content and its time stay as they are
    assert len(folder(classes)) == 6


def test_a_moved_folder_is_known_again(classes, tmp_path, monkeypatch):
    digest = folder(classes).digest
    classes.rename(tmp_path / "elsewhere")
    monkeypatch.setattr(decoding, "square", lambda *a: pytest.fail("decoded again"))
    assert folder(tmp_path / "elsewhere").digest == digest


@pytest.mark.parametrize("harm", ["shorter pixels", "no pixels", "half a json", "no digest"])
def test_a_damaged_cache_is_made_again(classes, cache, harm):
    digest = folder(classes).digest
    pixels, meta, kept = (next(cache.glob(f"*.{kind}")) for kind in ("u8", "json", "digest"))
    if harm == "shorter pixels":
        pixels.write_bytes(pixels.read_bytes()[:-1])
    elif harm == "no pixels":
        pixels.unlink()
    elif harm == "half a json":
        meta.write_text(meta.read_text()[:10])
    else:
        kept.unlink()
    images = folder(classes)
    assert images.digest == replace(images).digest == digest


def test_a_full_disk_leaves_nothing(classes, cache, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="Could not write .* \\(No space left on device\\)"):
        folder(classes)
    assert list(cache.iterdir()) == []


def test_the_cache_may_lie_elsewhere(classes, cache, tmp_path):
    folder(classes, cache=tmp_path / "mine")
    assert len(list((tmp_path / "mine" / "images").iterdir())) == 4 and not cache.exists()


DECODE = "import sys; from sslviz.data import folder; print(folder(sys.argv[1], size=224).digest)"


def noisy_folder(root, n):
    rng = np.random.default_rng(0)
    root.mkdir()
    for i in range(n):
        Image.fromarray(rng.integers(0, 256, (240, 240, 3), np.uint8)).save(root / f"{i}.png", compress_level=1)
    return root


def test_two_processes_at_once_and_one_after_them_agree(tmp_path):
    root = noisy_folder(tmp_path / "p", 30)
    start = [
        subprocess.Popen([sys.executable, "-c", DECODE, root], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    digests = {process.communicate(timeout=60)[0].strip() for process in start}
    images = folder(root, size=224)
    assert digests == {images.digest} == {replace(images).digest}


def test_a_kill_while_decoding_leaves_nothing_that_is_read(tmp_path, cache):
    root = noisy_folder(tmp_path / "p", 150)
    process = subprocess.Popen([sys.executable, "-c", DECODE, root], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (cache.exists() and any(cache.iterdir())) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout.read() == b"" and [p for p in cache.iterdir() if p.suffix in (".json", ".digest")] == []
    images = folder(root, size=224)
    assert len(images) == 150 and images.digest == replace(images).digest


# --- named ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def mnist(tmp_path):
    """Thirty noise pictures as MNIST lies on disk (IDX files), which torchvision reads."""
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    content = {}
    for part, n in (("train", 30), ("t10k", 10)):
        pictures, labels = rng.integers(0, 256, (n, 28, 28), np.uint8), rng.integers(0, 10, n, np.uint8)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, n, 28, 28) + pictures.tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, n) + labels.tobytes())
        content[part] = pictures, labels
    return tmp_path / "data", content


def test_a_torchvision_dataset_is_read_with_its_class_names(mnist):
    root, content = mnist
    words = "zero one two three four five six seven eight nine".split()
    for split, part in (("train", "train"), ("test", "t10k")):
        images = named("torch/mnist", root=root, split=split)
        pictures, labels = content[part]
        assert images.table["label"].tolist() == [f"{i} - {words[i]}" for i in labels]
        assert images.size == (32, 32) and isinstance(images.pixels, np.memmap)
        enlarged = [
            np.asarray(Image.fromarray(p).convert("RGB").resize((32, 32), Image.Resampling.BICUBIC)) for p in pictures
        ]
        np.testing.assert_array_equal(images.pixels, enlarged)
        assert images.spec == f"torch/mnist:root={root},split={split},size=32"


def test_a_named_dataset_is_decoded_once(mnist, monkeypatch):
    root, _ = mnist
    first = named("torch/mnist", root=root)
    monkeypatch.setattr(decoding, "square", lambda *a: pytest.fail("decoded again"))
    second = named("torch/mnist", root=root)
    assert first.digest == second.digest == replace(second).digest and "digest" in vars(second)
    pd.testing.assert_frame_equal(first.table, second.table)


def test_other_data_at_the_same_place_is_seen(mnist):
    root, _ = mnist
    before = named("torch/mnist", root=root)
    path = root / "MNIST" / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:16] + path.read_bytes()[16:][::-1])
    assert named("torch/mnist", root=root).digest != before.digest


def test_a_limit_is_spread_over_the_dataset(mnist):
    root, _ = mnist
    some, all_ = named("torch/mnist", root=root, limit=4, size=28), named("torch/mnist", root=root, size=28)
    assert some.ids.tolist() == ["0", "9", "19", "29"]
    np.testing.assert_array_equal(some.pixels, all_.pixels[[0, 9, 19, 29]])
    assert len(named("torch/mnist", root=root, limit=99)) == 30


def test_an_image_folder_by_its_torchvision_name(classes):
    images = named("torch/image_folder", root=classes, size=32)
    assert images.table["label"].tolist() == ["cat"] * 3 + ["dog"] * 3
    np.testing.assert_array_equal(images.pixels, folder(classes, size=32).pixels)


def test_broken_pictures_of_a_named_dataset_are_named(classes):
    (classes / "dog" / "void.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"1 of 7 pictures in torch/image_folder.* cannot be read: 3 \("):
        named("torch/image_folder", root=classes, size=32)
    with pytest.warns(UserWarning, match="1 of 7 pictures"):
        images = named("torch/image_folder", root=classes, size=32, on_error="skip")
    assert images.ids.tolist() == list("012456") and images.table["label"].tolist() == ["cat"] * 3 + ["dog"] * 3


class Shards:
    """A reader that can only be read from its beginning, as timm's for WebDataset and TFDS."""

    class_to_idx = {"even": 0, "odd": 1}

    def __iter__(self):
        for i in range(7):
            yield Image.new("RGB", (40, 48), (i, 0, 0)), i % 2


def test_streams_are_read_from_their_beginning(monkeypatch):
    import timm.data

    def create_dataset(name, root, split, **_):
        assert name == "wds/shards" and split == "train"
        return timm.data.IterableImageDataset(root, reader=Shards())

    monkeypatch.setattr(timm.data, "create_dataset", create_dataset)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    images = named("wds/shards", root="shards")
    assert images.pixels[:, 0, 0, 0].tolist() == list(range(7)) and images.ids.tolist() == list("0123456")
    assert images.table["label"].tolist() == ["even", "odd"] * 3 + ["even"]
    assert named("wds/shards", root="shards", limit=3).ids.tolist() == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cifar10", "starts with torch/, hfds/, hfids/, tfds/, wds/; got 'cifar10'"),
        ("torch/cifar11", "torch/cifar11 .* could not be opened: Unknown torchvision dataset cifar11"),
        ("torch/cifar10", "could not be opened: Dataset not found or corrupted. You can use download=True"),
    ],
)
def test_names_that_lead_nowhere_are_answered(name, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        named(name, root=tmp_path)


@pytest.mark.parametrize(
    ("name", "package"), [("hfds/beans", "datasets"), ("tfds/mnist", "tensorflow_datasets"), ("wds/x", "webdataset")]
)
def test_a_missing_package_is_named(name, package, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=f"{name} needs a package that is not installed: pip install {package}"):
        named(name)
