"""Folders and tables as people lay them out: each is read right, and what was not taken is counted.

All of them together cost about four seconds: the pictures have 12 pixels a side.
"""

import json
import os

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sslviz.data import folder

HERE = {"cat/0.png": 1, "cat/1.png": 2, "dog/0.png": 3, "dog/1.png": 4}  # class folders: a grey for each picture


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLVIZ_CACHE", str(tmp_path / "cache"))


def lay(root, files):
    """Files by name: a number is a picture of that grey, text and bytes are written, None is an empty folder."""
    for name, content in files.items():
        path = root / name
        (path if content is None else path.parent).mkdir(parents=True, exist_ok=True)
        if isinstance(content, int):
            Image.new("RGB", (12, 12), (content,) * 3).save(path, format="PNG")
        elif isinstance(content, pd.DataFrame):
            content.to_parquet(path)
        elif content is not None:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def read(root, files, **how):
    return folder(lay(root / "p", files), size=12, **how)


def told(images, word):
    """The lines in which a word stands."""
    return [line for line in images.reading.lines if word in line]


def rows(images, *columns):
    return list(zip(images.ids, *(images.table[c] for c in columns), strict=True))


FLAT = {"a.png": 1, "b.png": 2, "c.png": 3}
ABC = [("a.png", "x"), ("b.png", "y"), ("c.png", "x")]


def lines(*objects):
    return "\n".join(map(json.dumps, objects))


TABLES = {
    "metadata.csv": "file_name,label\na.png,x\nb.png,y\nc.png,x\n",
    "Metadata.CSV": "file_name,label\na.png,x\nb.png,y\nc.png,x\n",
    "metadata.tsv": "file_name\tlabel\na.png\tx\nb.png\ty\nc.png\tx\n",
    "metadata.jsonl": lines(*({"file_name": f, "label": c} for f, c in ABC)) + "\n",
    "metadata.parquet": pd.DataFrame(ABC, columns=["file_name", "label"]),
    "labels.csv": "filename,label\na.png,x\nb.png,y\nc.png,x\n",
    "train.csv": "image_id,label\na,x\nb,y\nc,x\n",
    "annotations.csv": "id;class\na;x\nb;y\nc;x\n",
}
HEADS = {
    "semicolons": "file_name;label\na.png;x\nb.png;y\nc.png;x\n",
    "tabs": "file_name\tlabel\na.png\tx\nb.png\ty\nc.png\tx\n",
    "bars": "file_name|label\na.png|x\nb.png|y\nc.png|x\n",
    "Excel's first line": "sep=;\nfile_name;label\na.png;x\nb.png;y\nc.png;x\n",
    "a byte order mark": "\ufefffile_name,label\na.png,x\nb.png,y\nc.png,x\n",
    "UTF-16": "file_name\tlabel\na.png\tx\nb.png\ty\nc.png\tx\n".encode("utf-16"),
    "blanks after commas": 'file_name, label\na.png, x\n"b.png", "y"\nc.png , x \n',
    "Windows' line ends": "file_name,label\r\na.png,x\r\nb.png,y\r\nc.png,x\r\n",
    "backslashes": "file_name,label\n.\\a.png,x\nsome\\where\\b.png,y\nC:\\data\\c.png,x\n",
    "other cases": "File Name,Label\nA.PNG,x\nB.png,y\nc.PNG,x\n",
    "without suffix": "image,label\na,x\nb,y\nc,x\n",
    "paths of another machine": "path,label\n/home/me/p/a.png,x\n/home/me/p/b.png,y\nhttps://x.org/c.png,x\n",
    "Hugging Face's column": "image_file_name,label\na.png,x\nb.png,y\nc.png,x\n",
    "a synonym for label": "file_name,class\na.png,x\nb.png,y\nc.png,x\n",
    "commas at the ends": "file_name,label\na.png,x,\nb.png,y,\nc.png,x,\n",
    "empty lines": "file_name,label\n\na.png,x\n\nb.png,y\nc.png,x\n\n",
}


def only_labels(table):
    """Whether there is a column `label`, and else at most the one of the file that it is a copy of."""
    return (
        list(table)[-1] == "label" and len(table.columns) <= 2 and all(table[c].equals(table["label"]) for c in table)
    )


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_any_kind_and_name_describes_the_pictures(tmp_path, name):
    images = read(tmp_path, FLAT | {name: TABLES[name]})
    assert rows(images, "label") == ABC and only_labels(images.table)
    assert images.reading.layout == name and not images.reading.passed_over
    assert images.reading.suffixes == {".png": 3}


@pytest.mark.parametrize("kind", HEADS)
def test_a_csv_in_any_hand_is_the_same_table(tmp_path, kind):
    images = read(tmp_path, FLAT | {"metadata.csv": HEADS[kind]})
    assert rows(images, "label") == ABC and only_labels(images.table)


def test_an_absolute_path_inside_the_folder_is_a_picture_of_it(tmp_path):
    table = f"file_name,label\n{tmp_path}/p/a.png,x\n{tmp_path}/p/b.png,y\n{tmp_path}/p/c.png,x\n"
    images = read(tmp_path, FLAT | {"metadata.csv": table})
    assert images.table["label"].tolist() == ["x", "y", "x"] and not images.reading.passed_over


def test_codes_stay_text_and_numbers_stay_numbers(tmp_path):
    table = "file_name,label,age,flag,plate,patient,price\n"
    table += (
        "a.png,01,3,TRUE,1e5,12345678901234567,0.5\nb.png,1,,FALSE,1e6,,2\nc.png,1,40,TRUE,33,12345678901234568,1e-3\n"
    )
    images = read(tmp_path, FLAT | {"metadata.csv": table})
    assert images.table["label"].tolist() == ["01", "1", "1"]
    assert images.table["plate"].tolist() == ["1e5", "1e6", "33"]
    assert images.table["patient"].nunique() == 2
    assert images.table["age"].iloc[2] == 40 and images.table["flag"].tolist() == [True, False, True]
    assert images.table["price"].tolist() == [0.5, 2, 1e-3]
    assert len(told(images, "is read as text")) == 3


def test_decimal_commas_are_numbers(tmp_path):
    images = read(tmp_path, FLAT | {"metadata.csv": "file;label;weight\na.png;x;3,5\nb.png;y;-0,25\nc.png;x;4\n"})
    assert images.table["weight"].tolist() == [3.5, -0.25, 4]


def test_a_table_that_is_not_utf8_is_read_and_that_is_said(tmp_path):
    images = read(tmp_path, FLAT | {"metadata.csv": "file_name,label\na.png,Bär\nb.png,y\nc.png,x\n".encode("cp1252")})
    assert images.table["label"].iloc[0] == "Bär" and told(images, "Windows-1252")


def test_lists_in_json_lines_are_left_out_and_mixtures_are_text(tmp_path):
    objects = [{"file_name": f, "label": c, "boxes": [[1, 2]], "n": 1 if c == "x" else "many"} for f, c in ABC]
    images = read(tmp_path, FLAT | {"metadata.jsonl": lines(*objects)})
    assert list(images.table) == ["label", "n"] and images.table["n"].tolist() == ["1", "many", "1"]
    assert told(images, "boxes is left out")


def test_hugging_faces_tables_in_split_folders(tmp_path):
    files = {f"{s}/{n}.png": 1 for s in ("Train", "Validation") for n in "ab"}
    files |= {
        f"{s}/metadata.jsonl": lines({"file_name": "a.png", "label": "x"}, {"file_name": "b.png", "label": "y"})
        for s in ("Train", "Validation")
    }
    images = read(tmp_path, files)
    expected = [(f"{s}/{n}.png", c, v) for s, v in (("Train", "train"), ("Validation", "val")) for n, c in ("ax", "by")]
    assert rows(images, "label", "split") == expected
    assert images.reading.layout == "split folders of metadata.jsonl" and told(images, "Train is train")


def test_a_table_beside_split_and_class_folders_leaves_both_to_them(tmp_path):
    files = {f"{s}/{c}/{i}.png": 1 for s in ("train", "test") for c in ("cat", "dog") for i in range(2)}
    table = "file_name,age\n" + "".join(f"{name},{i}\n" for i, name in enumerate(files))
    images = read(tmp_path, files | {"metadata.csv": table, "train/cat/9.png": 1})
    assert rows(images, "label", "split", "age") == [
        (n, n.split("/")[1], n.split("/")[0], i) for i, n in enumerate(files)
    ]
    assert images.reading.passed_over == {"not named in metadata.csv": ["train/cat/9.png"]}
    assert told(images, "no split; it is the folder's") and told(images, "no label; it is the folder's")


def test_a_table_beside_class_folders_without_a_word_on_one_of_them(tmp_path):
    images = read(tmp_path, HERE | {"metadata.csv": "file_name,age\ncat/0.png,1\ncat/1.png,2\n"})
    assert "label" not in images.table and len(images) == 2
    assert told(images, "names no picture of these folders: 1 (dog)")
    assert images.reading.passed_over == {"not named in metadata.csv": ["dog/0.png", "dog/1.png"]}


def test_pictures_in_a_folder_beside_the_table_are_found_by_name(tmp_path):
    files = {f"images/{n}.png": 1 for n in "abc"}
    images = read(tmp_path, files | {"labels.csv": TABLES["labels.csv"]})
    assert images.ids.tolist() == list(files) and images.table["label"].tolist() == ["x", "y", "x"]
    assert told(images, "'a.png' is 'images/a.png'")


def test_a_table_for_each_split(tmp_path):
    tables = {"train.csv": "path,label\na.png,x\nb.png,y\n", "test.csv": "path,label\nc.png,x\n"}
    images = read(tmp_path, FLAT | tables)
    assert sorted(rows(images, "split")) == [("a.png", "train"), ("b.png", "train"), ("c.png", "test")]


def test_kaggles_table_is_about_the_folder_that_it_is_called_by(tmp_path):
    files = {f"{split}/{i}.png": i for split in ("train", "test") for i in range(2)}
    tables = {"train.csv": "image_id,label\n0,x\n1,y\n", "sample_submission.csv": "image_id,label\n0,x\n1,x\n"}
    images = read(tmp_path, files | tables)
    assert rows(images, "label") == [("train/0.png", "x"), ("train/1.png", "y")]
    assert images.reading.passed_over["not named in train.csv"] == ["test/0.png", "test/1.png"]
    assert told(images, "names no picture of these folders: 1 (test)")


def test_a_table_that_contradicts_the_class_folders_says_so(tmp_path):
    images = read(tmp_path, HERE | {"labels.csv": "file,label\n" + "".join(f"{name},cat\n" for name in HERE)})
    assert set(images.table["label"]) == {"cat"} and told(images, "in 2 of 4 pictures the class folder says another")


def test_the_same_folders_in_every_class_are_asked_about(tmp_path):
    images = read(tmp_path, {f"{d}/{c}/0.png": 1 for d in ("amazon", "webcam") for c in ("cat", "dog")})
    assert set(images.table["label"]) == {"amazon", "webcam"} and told(images, "hold the same folders, 2 (cat, dog)")


def test_accents_that_a_mac_took_apart_are_the_same_name(tmp_path):
    images = read(tmp_path, {"Bu\u0308ro.png": 1, "metadata.csv": "file_name,label\nB\u00fcro.png,x\n"})
    assert images.table["label"].tolist() == ["x"]


def test_a_table_without_a_head_is_answered(tmp_path):
    with pytest.raises(ValueError, match="needs a column 'file_name'; .* names a picture: write a head above it"):
        read(tmp_path, FLAT | {"metadata.csv": "a.png,x\nb.png,y\n"})


def test_a_table_of_another_kind_is_not_overlooked_in_silence(tmp_path):
    images = read(tmp_path, FLAT | {"labels.xlsx": "PK"})
    assert told(images, "(labels.xlsx) cannot be read as a table: save it as metadata.csv")


def test_folders_around_all_that_a_table_names_are_no_classes(tmp_path):
    files = {f"data/images/{s}/{c}/0.png": 1 for s in ("train", "test") for c in ("cat", "dog")}
    images = read(tmp_path, files | {"metadata.csv": "file_name,n\n" + "".join(f"{name},1\n" for name in files)})
    assert rows(images, "split", "label") == [(name, *name.split("/")[2:4]) for name in files]
    bare = {name: grey for name, grey in files.items()}
    images = folder(lay(tmp_path / "bare", bare), size=12)
    assert sorted(rows(images, "split", "label")) == sorted((name, *name.split("/")[2:4]) for name in files)


def test_splits_without_labels_are_named(tmp_path):
    files = {f"train/{c}/0.png": 1 for c in ("cat", "dog")} | {"test/0.png": 1, "train/bird": None}
    images = read(tmp_path, files)
    assert told(images, "have no label: 1 (test)") and told(images, "are empty, and no classes: 1 (train/bird)")


def test_zeros_that_a_spreadsheet_dropped_are_no_loss(tmp_path):
    images = read(tmp_path, {"0007.png": 1, "0010.png": 2, "labels.csv": "image_id,label\n7,x\n10,y\n"})
    assert rows(images, "label") == [("0007.png", "x"), ("0010.png", "y")]


def test_columns_of_the_same_name_are_told_apart(tmp_path):
    images = read(tmp_path, FLAT | {"metadata.csv": "file_name,Label,label,n,n\na.png,x,y,1,2\nb.png,x,z,1,2\n"})
    assert images.table["label"].tolist() == ["y", "z"] and told(images, "label was taken, Label not")
    assert told(images, "it has n more than once")


def test_gaps_among_splits_are_counted(tmp_path):
    images = read(tmp_path, FLAT | {"metadata.csv": "file_name,split\na.png,Train\nb.png,\nc.png,Test\n"})
    assert images.table["split"].isna().tolist() == [False, True, False] and told(images, "1 rows have no split")
    assert images.split("train").ids.tolist() == ["a.png"]


def test_two_tables_that_both_could_are_not_guessed_between(tmp_path):
    images = read(tmp_path, FLAT | {"one.csv": TABLES["labels.csv"], "two.csv": TABLES["labels.csv"]})
    assert "label" not in images.table and told(images, "one.csv and two.csv both name pictures; neither was read")
    assert images.reading.passed_over == {"tables that were not read": ["one.csv", "two.csv"]}


def test_a_table_about_other_pictures_is_not_taken(tmp_path):
    images = read(tmp_path, HERE | {"results.csv": "file,label\ncat/0.png,x\ngone.png,y\naway.png,z\n"})
    assert images.table["label"].tolist() == ["cat", "cat", "dog", "dog"]
    assert told(images, "results.csv was not read: of 3 files in its column file 1 are here")


@pytest.mark.parametrize(
    ("folders", "meant"),
    [
        (("Train", "Test"), {"Train": "train", "Test": "test"}),
        (("TRAIN", "VALID"), {"TRAIN": "train", "VALID": "val"}),
        (("training", "testing"), {"training": "train", "testing": "test"}),
        (("trainset", "holdout"), {"trainset": "train", "holdout": "test"}),
        (("train_images", "test_images"), {"train_images": "train", "test_images": "test"}),
        (("train2017", "val2017"), {"train2017": "train", "val2017": "val"}),
        (("train", "dev", "eval"), {"train": "train", "dev": "val", "eval": "val"}),
        (("train", "test", "unlabeled"), {"train": "train", "test": "test", "unlabeled": "unlabeled"}),
        (("train", "val", "extra-2"), {"train": "train", "val": "val", "extra-2": "extra-2"}),
        (("train", "unlabelled"), {"train": "train", "unlabelled": "unlabelled"}),
        (("train", "bus", "car"), None),
        (("test", "cat"), None),
        (("test1", "test2", "test3"), None),
    ],
)
def test_folders_that_are_called_like_splits_are(tmp_path, folders, meant):
    images = read(tmp_path, {f"{f}/{c}/0.png": 1 for f in folders for c in ("cat", "dog")})
    if meant is None:
        assert "split" not in images.table and set(images.table["label"]) == set(folders)
    else:
        assert set(images.table["label"]) == {"cat", "dog"}
        assert rows(images, "split") == [(i, meant[i.split("/")[0]]) for i in images.ids]
        assert bool(told(images, "The splits were read as")) == any(f != s for f, s in meant.items())


def test_splits_inside_the_classes(tmp_path):
    images = read(tmp_path, {f"{c}/{s}/0.png": 1 for c in ("cat", "dog") for s in ("train", "test")})
    assert rows(images, "label", "split") == [(i, *i.split("/")[:2]) for i in images.ids]


def test_a_folder_around_all_is_no_class(tmp_path):
    images = read(tmp_path, {f"data/{s}/{c}/0.png": 1 for s in ("train", "test") for c in ("cat", "dog")})
    assert rows(images, "split", "label") == [(i, *i.split("/")[1:3]) for i in images.ids]
    assert told(images, "All lies in the folder data")


def test_a_single_class_folder_with_folders_in_it_is_asked_about(tmp_path):
    images = read(tmp_path, {"images/cat/0.png": 1, "images/dog/0.png": 2})
    assert set(images.table["label"]) == {"images"} and told(images, "name it: folder:PATH/images")


@pytest.mark.parametrize(
    ("column", "words", "expected"),
    [
        ("split", ("Train", "Valid", "Test"), ("train", "val", "test")),
        ("Split", ("training", "validation", "testing"), ("train", "val", "test")),
        ("subset", ("TRAIN", "DEV", "EVAL"), ("train", "val", "val")),
        ("partition", ("train", "val", "test"), ("train", "val", "test")),
        ("Usage", ("Training", "PublicTest", "PrivateTest"), ("train", "val", "test")),
        ("is_train", ("True", "True", "False"), ("train", "train", "test")),
        ("is_train", ("1", "0", "0"), ("train", "test", "test")),
        ("split", ("train", "validation", "extra"), ("train", "val", "extra")),
        ("split", ("train", "validation", "test"), ("train", "validation", "test")),  # a digest that runs know
    ],
)
def test_split_columns_are_understood(tmp_path, column, words, expected):
    table = f"file_name,{column}\n" + "".join(f"{n}.png,{w}\n" for n, w in zip("abc", words, strict=True))
    images = read(tmp_path, FLAT | {"metadata.csv": table})
    assert images.table.to_dict("list") == {"split": list(expected)}
    assert len(images.split("train")) == expected.count("train")
    if "validation" in words:
        assert images.split("validation").ids.tolist() == images.split("val").ids.tolist() == ["b.png"]


@pytest.mark.parametrize(("column", "kept"), [("split", "split"), ("fold", "fold"), ("set", "set")])
def test_codes_of_splits_are_not_guessed(tmp_path, column, kept):
    images = read(tmp_path, FLAT | {"metadata.csv": f"file_name,{column}\na.png,0\nb.png,0\nc.png,1\n"})
    assert images.table[kept].tolist() == [0, 0, 1]
    (said,) = told(images, f"The column {column}")
    assert "write train, val or test in a column called split" in said


def test_more_than_one_column_that_could_be_the_label_is_not_chosen_from(tmp_path):
    images = read(tmp_path, FLAT | {"metadata.csv": "file_name,class,target\na.png,x,1\nb.png,y,0\nc.png,x,1\n"})
    assert list(images.table) == ["class", "target"] and told(images, "class and target could be one")


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "JPG", "dib", "tga", "jp2", "qoi", "pcx", "ico", "apng", "pnm"])
def test_whatever_pillow_opens_is_a_picture(tmp_path, suffix):
    root = lay(tmp_path / "p", {"cat/0.png": 1, "bird": None})
    kind = Image.registered_extensions()[f".{suffix.lower()}"]
    Image.new("RGB", (16, 16), (200, 0, 0)).save(root / "bird" / f"0.{suffix}", format=kind)
    images = folder(root, size=16)
    assert images.table["label"].tolist() == ["bird", "cat"] and not images.reading.passed_over
    assert images.reading.suffixes == {f".{suffix.lower()}": 1, ".png": 1}


def test_a_suffix_of_other_programs_is_looked_into(tmp_path):
    images = read(tmp_path, HERE | {"cat/points.pcd": "VERSION .7\nFIELDS x y z\n", "dog/run.fit": b"\x0e\x10junk"})
    assert len(images) == 4 and images.reading.passed_over == {
        "no picture by the suffix (1 .pcd, 1 .fit)": ["cat/points.pcd", "dog/run.fit"]
    }


def test_heic_is_read_with_its_package(tmp_path):
    from pillow_heif import register_heif_opener

    register_heif_opener()
    root = lay(tmp_path / "p", {"cat/0.png": 1, "bird": None})
    Image.new("RGB", (64, 64), (200, 0, 0)).save(root / "bird" / "0.HEIC", format="HEIF")
    images = folder(root, size=16)
    assert (
        images.table["label"].tolist() == ["bird", "cat"] and np.abs(images.pixels[0, 8, 8] - [200.0, 0, 0]).max() < 9
    )


def test_heic_without_its_package_is_counted_with_what_to_do(tmp_path, monkeypatch):
    from sslviz.data.sources import decoding, formats, listing

    known = {suffix: sure for suffix, sure in formats.picture_suffixes().items() if suffix not in formats.HEIF}
    for module in (listing, decoding):
        monkeypatch.setattr(module, "picture_suffixes", lambda: known)
    images = read(tmp_path, HERE | {"bird/0.heic": b"x", "bird/1.heif": b"x"})
    assert told(images, "pip install pillow-heif")[0].count("bird/") == 2 and told(images, "were passed over: 1 (bird)")
    table = {"metadata.csv": "file_name\nbird/0.heic\n"}
    with pytest.raises(ValueError, match="bird/0.heic .*pip install pillow-heif"):
        read(tmp_path, table)


def test_what_is_no_picture_is_counted_by_suffix(tmp_path):
    others = {"readme.txt": "", "cat/a.txt": "", "cat/b.svg": "", "dog/raw": "", ".DS_Store": "", "cat/Thumbs.db": ""}
    others |= {"__MACOSX/cat/._0.png": "", ".ipynb_checkpoints/x.png": "", "cat/._0.png": ""}
    images = read(tmp_path, HERE | others)
    assert len(images) == 4 and images.reading.passed_over == {
        "no picture by the suffix (2 .txt, 1 .svg, 1 without one)": ["cat/a.txt", "cat/b.svg", "dog/raw", "readme.txt"],
        "hidden, or left by a system": [
            ".DS_Store",
            ".ipynb_checkpoints/",
            "__MACOSX/",
            "cat/._0.png",
            "cat/Thumbs.db",
        ],
    }


def test_classes_that_vanish_are_named(tmp_path):
    images = read(tmp_path, HERE | {"bird/0.mp4": "", "bird/deep/1.mp4": "", "fish": None})
    assert told(images, "all their files were passed over: 1 (bird)") and told(
        images, "are empty, and no classes: 1 (fish)"
    )


def test_classes_that_are_hardly_told_apart_are_named(tmp_path):
    images = read(tmp_path, HERE | {"Cat/0.png": 1, "dog /0.png": 2})
    assert set(images.table["label"]) == {"cat", "Cat", "dog", "dog "}
    assert told(images, "'Cat' and 'cat' differ only in case") and told(images, "'dog' and 'dog ' differ only")


def test_masks_beside_pictures_are_named(tmp_path):
    images = read(tmp_path / "a", HERE | {"cat/0_mask.png": 1, "dog/other_mask.png": 2})
    assert told(images, "1 (cat/0_mask.png) are called like masks of others")
    images = read(tmp_path / "b", {"images/0.png": 0, "images/1.png": 1, "masks/0.png": 0, "masks/1.png": 1})
    assert told(images, "2 (masks/0.png, masks/1.png) are called like masks")
    images = read(tmp_path / "c", {"mask/0.png": 0, "no_mask/0.png": 1})  # faces with and without one
    assert not told(images, "are called like masks")


def test_links_in_a_circle_are_walked_once(tmp_path):
    root = lay(tmp_path / "p", HERE)
    (root / "cat" / "all").symlink_to(root)
    (root / "cat" / "again").symlink_to(root / "cat")
    (root / "bird").symlink_to(root / "dog")
    (root / "dog" / "loop").symlink_to(root / "dog" / "loop")
    images = folder(root, size=12)
    assert images.ids.tolist() == ["bird/0.png", "bird/1.png", *HERE]
    assert told(images, "pictures come twice: 1 (bird is dog)")
    assert images.reading.passed_over == {
        "a link to nothing": ["bird/loop", "dog/loop"],
        "a link back to a folder above it": ["cat/again/", "cat/all/"],
    }


def test_folders_full_of_links_to_each_other_come_to_an_end(tmp_path):
    root = lay(tmp_path / "p", {f"{letter}/0.png": 1 for letter in "abcdefgh"})
    for here in "abcdefgh":
        for there in "abcdefgh":
            (root / here / there).symlink_to(root / there)
    images = folder(root, size=12)
    assert set(images.table["label"]) == set("abcdefgh") and told(images, "behind links in links")


# --- what is an error, and what on_error="skip" makes of it -----------------------------------------------------------


def dead_link(root):
    (root / "cat" / "gone.png").symlink_to(root / "nowhere.png")
    return "a link to nothing", ["cat/gone.png"]


def odd_name(root):
    with open(os.fsencode(root / "cat") + b"/caf\xe9.png", "wb") as file:
        file.write((root / "cat" / "0.png").read_bytes())
    return "the name is not UTF-8", ["cat/caf\\udce9.png"]


def odd_folder(root):
    os.mkdir(os.fsencode(root) + b"/caf\xe9")
    with open(os.fsencode(root) + b"/caf\xe9/a.png", "wb") as file:
        file.write((root / "cat" / "0.png").read_bytes())
    return "the name is not UTF-8", ["caf\\udce9/a.png"]


def loose(root):
    lay(root, {"overview.png": 1})
    return "beside the class folders", ["overview.png"]


def not_a_picture(root):
    lay(root, {"cat/text.png": "no"})
    return "cannot be read (not a picture)", ["cat/text.png"]


def too_small(root):
    Image.new("RGB", (1, 1)).save(root / "cat" / "dot.png")
    return "cannot be read (1x1 pixels is too small)", ["cat/dot.png"]


def rows_without_file(root):
    lay(root, {"metadata.csv": "file_name,label\n" + "".join(f"{n},x\n" for n in HERE) + "gone.png,y\naway.png,y\n"})
    return "rows whose file is not there", ["gone.png", "away.png"]


def rows_without_name(root):
    lay(root, {"metadata.csv": "file_name,label\n,y\n" + "".join(f"{n},x\n" for n in HERE)})
    return "rows without a file name", ["row 1"]


def rows_twice(root):
    lay(root, {"metadata.csv": "file_name,label\n" + "".join(f"{n},x\n" for n in [*HERE, "./cat/0.png"])})
    return "rows about a picture that has a row already", ["row 5: cat/0.png"]


BROKEN = [
    dead_link,
    odd_name,
    odd_folder,
    loose,
    not_a_picture,
    too_small,
    rows_without_file,
    rows_without_name,
    rows_twice,
]


@pytest.mark.parametrize("harm", BROKEN, ids=lambda harm: harm.__name__)
def test_skipping_covers_all_that_cannot_be_read(tmp_path, harm):
    root = lay(tmp_path / "p", HERE)
    reason, names = harm(root)
    with pytest.raises(ValueError) as refused:
        folder(root, size=12)
    assert "\n" not in str(refused.value) and "skip" in str(refused.value)
    with pytest.warns(UserWarning, match="left out"):
        images = folder(root, size=12, on_error="skip")
    assert images.ids.tolist() == list(HERE) and images.spec.endswith(",on_error=skip")
    assert images.reading.passed_over == {reason: names}


@pytest.mark.parametrize("how", ["rows", "pictures"])
def test_a_class_that_is_skipped_whole_is_named(tmp_path, how):
    files = HERE | {"bird/0.png": "no"} if how == "pictures" else dict(HERE)
    if how == "rows":
        files["metadata.csv"] = "file_name,label\n" + "".join(f"{n},x\n" for n in HERE) + "gone.png,bird\n"
    with pytest.warns(UserWarning, match="left out"):
        images = read(tmp_path, files, on_error="skip")
    assert "bird" not in set(images.table["label"]) and told(images, "of these classes")[0].endswith("1 (bird).")


def test_a_folder_that_may_not_be_opened_is_counted(tmp_path, monkeypatch):
    root, scandir = lay(tmp_path / "p", HERE), os.scandir

    def guarded(path):
        if str(path).endswith("dog"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(ValueError, match=r"cannot be read \(Permission denied\): 1 \(dog/\)"):
        folder(root, size=12)
    with pytest.warns(UserWarning):
        images = folder(root, size=12, on_error="skip")
    assert images.reading.passed_over == {"Permission denied": ["dog/"]} and told(images, "were passed over: 1 (dog)")


def test_a_pipe_called_like_a_picture_does_not_hang(tmp_path):
    root = lay(tmp_path / "p", HERE)
    os.mkfifo(root / "cat" / "pipe.png")
    assert folder(root, size=12).reading.passed_over == {"no file that can be read": ["cat/pipe.png"]}


def test_odd_but_legal_names_are_taken(tmp_path):
    names = ["a\nb.png", " c.png", "d,e.png", 'f"g.png', "ü.png", "x" * 200 + ".png"]
    images = read(tmp_path, {f"cat/{name}": 1 for name in names})
    assert sorted(images.ids) == sorted(f"cat/{name}" for name in names) and images.digest
    (tmp_path / "p" / "cat" / "h\ni.png").write_text("no")
    with pytest.warns(UserWarning):
        images = folder(tmp_path / "p", size=12, on_error="skip")
    assert all("\n" not in line for line in images.reading.lines)
