"""Specs: does a short text mean the images it says, and do they say how to get them again?"""

import importlib.util
import inspect
from dataclasses import replace

import pytest
from PIL import Image

from sslviz.data import digits, folder, load_images, randbit, scenes, shapes, tagged_shapes, textured
from sslviz.data.sources.spec import DRAWN, SOURCES
from sslviz.data.sources.timm_datasets import PACKAGES


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLVIZ_CACHE", str(tmp_path / "cache"))


def make_folder(root, *splits):
    """Two classes of five pictures of 40 pixels, in each of the splits if any are given."""
    for where in [root / split for split in splits] or [root]:
        for number, label in enumerate(("cat", "dog")):
            (where / label).mkdir(parents=True)
            for i in range(5):
                Image.new("RGB", (40, 40), (i, 100 * number, 0)).save(where / label / f"{i}.png")
    return root


def test_a_spec_means_what_the_function_gives(tmp_path):
    root = make_folder(tmp_path / "p")
    for spec, images in {
        "digits": digits(),
        "digits:size=16": digits(size=16),
        "shapes:n=30": shapes(30),
        " shapes:n=30,size=16,bias=1,seed=5 ": shapes(30, size=16, bias=1.0, seed=5),
        "tagged_shapes:n=30,bias=0.5": tagged_shapes(30, bias=0.5),
        "textured:n=30,size=48": textured(30, size=48),
        "scenes:n=30,bias=0.5": scenes(30, bias=0.5),
        "randbit:n=30,bits=7": randbit(30, bits=7),
        f"folder:{root}": folder(root),
        f"folder:{root},size=24": folder(root, size=24),
    }.items():
        assert load_images(spec).digest == images.digest
        assert load_images(spec).spec == images.spec


def test_every_spec_is_answered_with_one_that_gives_the_same_images_again(tmp_path, monkeypatch):
    make_folder(tmp_path / "p", "train", "test")
    monkeypatch.chdir(tmp_path)
    specs = ["shapes:n=40", "shapes:n=200,bias=0.5,split=probe", "digits", "digits:split=test", "folder:p"]
    specs += ["folder:p,split=train", "folder:./p,size=32,split=test", "torch/image_folder:root=p,split=test"]
    specs += ["torch/image_folder:root=p,size=16,limit=6,split=train,split=train"]
    for spec in specs:
        images = load_images(spec)
        monkeypatch.chdir("/")  # what was relative must not be any more
        again = load_images(images.spec)
        assert (again.digest, again.spec) == (images.digest, images.spec), spec
        assert replace(again).digest == images.digest
        monkeypatch.chdir(tmp_path)


def test_the_plain_word_is_the_default_world():
    images = load_images("shapes")
    assert len(images) == 8000 and images.spec == "shapes:n=8000,size=32,bias=0.95,seed=0"


def test_skipping_is_part_of_the_spec(tmp_path):
    (make_folder(tmp_path / "p") / "cat" / "9.png").write_text("no picture")
    with pytest.raises(ValueError, match="1 of 11 pictures"):
        load_images(f"folder:{tmp_path}/p")
    with pytest.warns(UserWarning, match="1 of 11"):
        images = load_images(f"folder:{tmp_path}/p,on_error=skip")
    with pytest.warns(UserWarning, match="1 of 11"):
        assert load_images(images.spec).digest == images.digest


@pytest.mark.parametrize("name", ["a,b", "a:b", "a,size=8", "a b,split=train", "ä=ö"])
def test_paths_may_hold_commas_and_colons(tmp_path, name):
    root = make_folder(tmp_path / name)
    for spec in (f"folder:{root}", f"folder:{root},size=16", f"folder:{root},split=train,split=train"):
        images = load_images(spec)
        assert load_images(images.spec).digest == images.digest
        assert images.spec.startswith(f"folder:{root},size=")
    assert len(load_images(f"folder:{root}")) == 10


def test_the_home_folder_is_understood(tmp_path, monkeypatch):
    make_folder(tmp_path / "p")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_images("folder:~/p,size=16").spec == f"folder:{tmp_path}/p,size=16"


def test_a_second_split_divides_the_first():
    train = load_images("digits:split=train")
    assert set(load_images("digits").split("train").ids) == set(train.ids)
    with pytest.raises(ValueError, match="no split 'probe' here; the splits are: train"):
        load_images("digits:split=train,split=probe")


def test_the_first_split_of_a_named_dataset_is_its_own(tmp_path):
    make_folder(tmp_path / "p", "train", "val")
    save = tmp_path / "p" / "val" / "dog" / "5.png"
    Image.new("RGB", (40, 40)).save(save)
    own = load_images(f"torch/image_folder:root={tmp_path}/p,split=val")
    assert len(own) == 11
    part = load_images(f"torch/image_folder:root={tmp_path}/p,split=val,split=train")
    assert set(part.ids) == set(own.split("train").ids) < set(own.ids)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("shapes:m=3", "shapes has no setting 'm'; it takes: n, size, bias, seed, style, split, sample."),
        ("shapes:3", "shapes has no setting '3'"),
        ("shapes:n=many", "shapes takes a whole number for n; got 'many'."),
        ("shapes:n=1.5", "shapes takes a whole number for n; got '1.5'."),
        ("shapes:n", "shapes takes a whole number for n; got ''."),
        ("shapes:bias=high", "shapes takes a number for bias; got 'high'."),
        ("shapes:bias=2", "0 <= bias <= 1"),
        ("shapes:split=val", "no split 'val' here; the splits are: probe, probe-biased, test, test-biased, train"),
        ("digits:n=3", "digits has no setting 'n'; it takes: size, split, sample."),
        ("folder:/nowhere/at/all", "There is no folder /nowhere/at/all."),
        ("folder:/nowhere,size=8", "There is no folder /nowhere."),
        (
            "torch/mnist:colour=1",
            "torch/mnist has no setting 'colour'; it takes: root, size, limit, on_error, split, sample.",
        ),
        ("torch/nothing", "Unknown torchvision dataset nothing"),
        (
            "shape",
            "There are no images called 'shape'; possible are: shapes, tagged_shapes, textured, scenes, randbit, digits, "
            "folder:PATH",
        ),
        ("", "There are no images called ''"),
    ],
)
def test_what_cannot_be_meant_is_answered_in_one_sentence(spec, said):
    with pytest.raises(ValueError) as refused:
        load_images(spec)
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_a_bare_path_is_answered_with_what_was_meant(tmp_path):
    with pytest.raises(ValueError, match=f"Did you mean folder:{tmp_path}"):
        load_images(str(tmp_path))


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="hfds/beans needs a package that is not installed: pip install datasets"):
        load_images("hfds/beans")


def test_the_list_of_sources_is_complete_and_its_examples_are_understood():
    shown = " ".join(SOURCES)
    assert all(name in shown for name in [*DRAWN, "folder:", "torch/", "hfds/", "tfds/", "wds/", "split="])
    assert all(f"{kind}/NAME" in shown + " ".join(SOURCES.values()) for kind in PACKAGES)
    for name, make in DRAWN.items():
        example = next(word for word in SOURCES[name].split() if word.startswith(name + ":"))
        defaults = {key: p.default for key, p in inspect.signature(make).parameters.items()}
        shown_settings = dict(part.split("=") for part in example.partition(":")[2].split(","))
        assert {key: type(value)(shown_settings.pop(key, value)) for key, value in defaults.items()} == defaults
        assert not shown_settings and len(load_images(example.replace("n=8000", "n=20")))
