"""What splits are called: the usual words for train, val, test and probe, as folders and in columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import pandas as pd

WORDS = {
    "train": "train training trainval trn learn learning",
    "val": "val valid validate validation dev devel development eval evaluate evaluation publictest",
    "test": "test tests testing tst holdout heldout privatetest",
    "probe": "probe",
}
MEANT = {word: split for split, words in WORDS.items() for word in words.split()}
UNLABELED = {"unlabeled", "unlabelled", "unsupervised", "unsup", "extra"}  # beside any split, a split of their own
AFFIXES = ("set", "images", "image", "imgs", "img", "pictures", "photos", "data", "split")  # train_images, valset
AS_THEY_ARE = {"train", "val", "validation", "test", "probe"}  # a column of these is left alone: runs know its digest
COLUMNS = ("set", "subset", "fold", "partition", "phase", "usage", "data_split", "dataset_split")
YES_OR_NO = {
    "is_train": ("train", "test"),
    "is_training": ("train", "test"),
    "istrain": ("train", "test"),
    "is_test": ("test", "train"),
    "istest": ("test", "train"),
    "is_val": ("val", "train"),
    "is_validation": ("val", "train"),
}
YES = {"true": True, "yes": True, "1": True, "1.0": True, "false": False, "no": False, "0": False, "0.0": False}
NO_SPLIT = "write train, val or test in a column called split"


def split_of(word: object) -> str | None:
    """train, val, test or probe, where a word means one of them (Train, validation, test_images, val2017); else None."""
    text = str(word).strip().casefold()
    if not text.isascii():
        return None
    letters = re.sub(r"[^a-z]", "", text)
    for affix in AFFIXES:
        if letters not in MEANT:
            letters = letters.removeprefix(affix).removesuffix(affix)
    return MEANT.get(letters)


def folder_splits(folders: Sequence[str]) -> dict[str, str] | None:
    """{folder: split}, where folders that lie side by side are splits; None where they are classes.

    They are if each means a split.  Others beside a train and a test (or val), and `unlabeled` beside any, are splits of
    their own name.
    """
    meant = {folder: split_of(folder) for folder in folders}
    splits = set(meant.values()) - {None}
    others = [folder for folder, split in meant.items() if split is None]
    if not splits or (not others and len(splits) == 1 < len(folders)):  # test1, test2, test3 are no splits
        return None
    if ("train" in splits and len(splits) > 1) or all(folder.casefold() in UNLABELED for folder in others):
        return {folder: split or folder for folder, split in meant.items()}
    return None


def with_split_column(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The table with a column `split` of canonical words, if one of its columns says it; and what is to be said of that."""
    if column := _called(table, ["split"]):
        if column != "split":
            table = table.rename(columns={column: "split"})
        return _in_own_words(table, column)
    for name in COLUMNS:
        if (column := _called(table, [name])) and _all_known(table[column]):
            renamed = table.rename(columns={column: "split"})
            renamed["split"] = [split_of(word) for word in renamed["split"]]
            return renamed, [f"The column {column} was taken for the split: {_pairs(table[column], renamed['split'])}."]
    for name, words in YES_OR_NO.items():
        if (column := _called(table, [name])) and (answers := _yes_or_no(table[column])):
            table = table.rename(columns={column: "split"})
            table["split"] = [words[0] if yes else words[1] for yes in answers]
            return table, [f"The column {column} was taken for the split: true is {words[0]}, false is {words[1]}."]
    return table, _unused(table)


def _called(table: pd.DataFrame, names: Iterable[str]) -> str | None:
    """The column that is called so, in whatever case; spelt exactly if there is one."""
    folded = {re.sub(r"[\s-]+", "_", str(c).strip().casefold()): c for c in reversed(list(table.columns))}
    return next((name if name in table else folded[name] for name in names if name in table or name in folded), None)


def _in_own_words(table: pd.DataFrame, column: str) -> tuple[pd.DataFrame, list[str]]:
    """A column called split: its synonyms become canonical words, other words stay, codes are not understood."""
    values, notes = table["split"], []
    words = {str(word) for word in values.dropna().unique()}
    if gaps := int(values.isna().sum()):
        notes.append(f"{gaps:,} rows have no split.")
    if words and not any(split_of(word) for word in words):
        listed = ", ".join(sorted(words)[:5]) + ", ..." * (len(words) > 5)
        notes.append(
            f"The column {column} holds {listed}, and which of them is train is not known: it is not used; {NO_SPLIT}."
        )
    elif not words <= AS_THEY_ARE:
        meant = [word if pd.isna(word) else split_of(word) or str(word).strip() for word in values]
        notes.append(f"The splits were read as: {_pairs(values, meant)}.")
        table = table.assign(split=meant)
    return table, notes


def _pairs(given: pd.Series, meant: Iterable[object]) -> str:
    """Which word was taken for which split, of those that are not empty."""
    seen = {str(word): str(split) for word, split, known in zip(given, meant, given.notna(), strict=True) if known}
    return ", ".join(f"{word} is {split}" for word, split in sorted(seen.items())[:8])


def _all_known(values: pd.Series) -> bool:
    """Whether every row names a split, and not all the same."""
    return not values.isna().any() and None not in (splits := {split_of(word) for word in values}) and len(splits) > 1


def _yes_or_no(values: pd.Series) -> list[bool] | None:
    answers = [YES.get(str(value).strip().casefold()) for value in values]
    known = [answer for answer in answers if answer is not None]
    return known if len(known) == len(values) and len(set(known)) == 2 else None


def _unused(table: pd.DataFrame) -> list[str]:
    """A sentence for each column that is called like a split and holds something else."""
    named = [column for name in (*COLUMNS, *YES_OR_NO) if (column := _called(table, [name]))]
    return [f"The column {column} names no train and test: it is an attribute; {NO_SPLIT}." for column in named]
