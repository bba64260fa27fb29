"""Whatever a folder holds: every file is taken or counted, and every row of a table is a picture or counted.

About six seconds: each example is a small folder on disk.
"""

import os
import shutil
import warnings

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sslviz.data import folder
from sslviz.data.sources.listing import printable
from sslviz.data.sources.split_names import MEANT, folder_splits, split_of

FOLDERS = [
    "cat",
    "Cat",
    "dog ",
    "train",
    "Test",
    "val",
    "unlabeled",
    "images",
    "deep",
    ".git",
    "__MACOSX",
    "a,b",
    "ü",
    "x.png",
]
FILES = [
    "0.png",
    "1.PNG",
    "a b.png",
    ".x.png",
    "c\nd.png",
    "readme.txt",
    "labels.csv",
    "x.heic",
    "points.pcd",
    "none",
    "e.jfif",
]
PATHS = st.lists(st.tuples(st.lists(st.sampled_from(FOLDERS), max_size=3), st.sampled_from(FILES)), max_size=9)
PICTURE = Image.new("RGB", (9, 9), (9, 9, 9))


def fresh(tmp_path):
    shutil.rmtree(tmp_path, ignore_errors=True)
    (tmp_path / "p").mkdir(parents=True)
    return tmp_path / "p"


def build(root, paths, broken):
    """The files, with pictures where the suffix says so; the first `broken` pictures are text."""
    for folders, name in paths:
        path = root.joinpath(*folders, name)
        if path.exists() or any(p.is_file() for p in path.parents):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.lower().endswith((".png", ".jfif")) and broken <= 0:
            PICTURE.save(path, format="JPEG" if name.endswith("jfif") else "PNG")
        else:
            broken -= name.endswith(".png")
            path.write_text("")
    return sorted(os.path.relpath(os.path.join(here, name), root) for here, _, files in os.walk(root) for name in files)


def read(root):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is passed over is counted below
        return folder(root, size=8, on_error="skip", cache=root.parent)


@settings(max_examples=60)
@given(paths=PATHS, broken=st.integers(-9, 2), link=st.booleans())
def test_every_file_is_taken_or_counted(tmp_path, paths, broken, link):
    root = fresh(tmp_path)
    files = build(root, paths, broken)
    if link and (root / "cat").is_dir():
        (root / "cat" / "up").symlink_to(root)
        (root / "cat" / "dead.png").symlink_to(root / "nowhere")
        files.append("cat/dead.png")
    try:
        images = read(root)
    except ValueError as error:
        assert "There are no pictures" in str(error) or "cannot be read" in str(error)
        return
    taken = set(images.ids)
    counted = [name for names in images.reading.passed_over.values() for name in names]
    assert sum(images.reading.suffixes.values()) == len(taken)
    for file in files:
        above = [f"{printable(file[:i])}/" for i, c in enumerate(file) if c == "/"]
        times = (file in taken) + counted.count(printable(file)) + sum(counted.count(name) for name in above)
        assert times == 1, (file, times)
    if "label" in images.table:
        labels = zip(images.table["label"], images.ids, strict=True)
        assert all(label in file.split("/") for label, file in labels if label == label)


CELLS = "a.png|b.png|./a.png|A.PNG|b|sub/c.png|c.png|C|gone.png|| a.png |sub\\c.png".split("|")
TABLES = ["metadata.csv", "metadata.jsonl", "metadata.parquet"]


@settings(max_examples=40)
@given(cells=st.lists(st.sampled_from(CELLS), min_size=1, max_size=8), name=st.sampled_from(TABLES))
def test_every_row_is_a_picture_or_counted(tmp_path, cells, name):
    root = fresh(tmp_path)
    build(root, [((), "a.png"), ((), "b.png"), (("sub",), "c.png")], 0)
    for path, grey in (("a.png", 1), ("b.png", 2), ("sub/c.png", 3)):
        path = root / path
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (grey,) * 3).save(path)
    table = pd.DataFrame({"file_name": cells, "n": range(len(cells))})
    if name.endswith("csv"):
        table.to_csv(root / name, index=False)
    elif name.endswith("jsonl"):
        table.to_json(root / name, orient="records", lines=True)
    else:
        table.to_parquet(root / name)
    try:
        images = read(root)
    except ValueError as error:
        assert not any(cell.strip(" ./").lower()[:1] in ("a", "b", "c", "s") for cell in cells), error
        return
    passed = images.reading.passed_over
    assert len(images) + sum(len(names) for reason, names in passed.items() if reason.startswith("rows")) == len(cells)
    assert set(images.ids) | set(passed.get(f"not named in {name}", [])) == {"a.png", "b.png", "sub/c.png"}
    means = {"a": "a.png", "b": "b.png", "c": "sub/c.png"}
    for id_, n, pixel in zip(images.ids, images.table["n"], images.pixels[:, 0, 0, 0], strict=True):
        letter = cells[n].strip().replace("\\", "/").split("/")[-1].lower()[0]
        assert id_ == means[letter] and pixel == "abc".index(letter) + 1


PLAIN = [str.upper, str.title, str.lower]
SPELLINGS = st.sampled_from([*PLAIN, *(form.format for form in ("{}_images", "images-{}", "{}2017", " {}Set"))])


@given(word=st.sampled_from(sorted(MEANT)), spell=SPELLINGS)
def test_however_a_split_is_spelt_it_means_the_same(word, spell):
    assert split_of(spell(word)) == split_of(word) == MEANT[word]


@given(words=st.lists(st.text(max_size=8), max_size=4, unique=True))
def test_folders_of_other_names_are_classes(words):
    assert folder_splits([f"q{word}" for word in words]) is None


@settings(max_examples=20)
@given(codes=st.lists(st.from_regex(r"\A[0-9]{1,4}\Z"), min_size=1, max_size=6))
def test_different_codes_stay_different(tmp_path, codes):
    root = fresh(tmp_path)
    for i in range(len(codes)):
        PICTURE.save(root / f"{i}.png")
    table = pd.DataFrame({"file_name": [f"{i}.png" for i in range(len(codes))], "label": codes})
    table.to_csv(root / "metadata.csv", index=False)
    assert read(root).table["label"].nunique() == len(set(codes))
