"""What a folder of pictures is taken for: class folders, split folders or a table, by rules that are told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from os.path import splitext
from pathlib import Path

import pandas as pd

from sslviz.data.reading import alike_but_for_spelling, counted
from sslviz.data.sources.completing import completed
from sslviz.data.sources.formats import LOOKED_FOR
from sslviz.data.sources.layout import Layout, Problem
from sslviz.data.sources.listing import BY_SUFFIX, Listing, list_files, printable
from sslviz.data.sources.matching import describe, find_table
from sslviz.data.sources.split_names import NO_SPLIT, folder_splits, split_of

MASKS = ("mask", "masks", "segmentation", "segmentations", "gt")  # folders beside one of IMAGES
IMAGES = ("image", "images", "img", "imgs")
MASK_ENDINGS = ("_mask", "-mask", "_seg", "_segmentation", "_gt")
LIKE_A_TABLE = {"metadata", "labels", "annotations", "attributes"}


def list_pictures(root: Path) -> Layout:
    """The pictures below `root`, one row each, and how they were understood.

    The first rule that fits is taken:
    - a table in it (`metadata.csv`, .tsv, .jsonl or .parquet, or the only table with a column of files) names the pictures
      and describes them
    - its folders are splits if they are called so (train, Test, validation, ...), each read by these rules
    - its folders are the labels, and what lies deeper in one has its label
    - if the pictures lie in `root` itself, they have no label

    Links to folders are followed.  ValueError where there is no picture, and where a table does not name any.
    """
    if not root.is_dir():
        raise ValueError(
            f"{root} is a file, not a folder; name the folder in which it lies."
            if root.exists()
            else f"There is no folder {root}."
        )
    files = list_files(root)
    found = _read(files, "")
    if found is None:
        passed = "; ".join(f"{counted(names)} {reason}" for reason, names in files.counted().items())
        raise ValueError(
            f"There are no pictures in {root}; {LOOKED_FOR}{f'; passed over: {passed}' if passed else ''}."
        )
    for reason, names in files.broken.items():
        sentence = f"{root} holds files that cannot be read ({reason}): {counted(names)}."
        found.problems.append(Problem(sentence, reason, names))
    _count_the_rest(found, files)
    if others := [name for name in files.passed_over.get(BY_SUFFIX, []) if _called_like_a_table(name)]:
        found.notes.append(f"{counted(others)} cannot be read as a table: save it as metadata.csv.")
    if files.twice:
        found.notes.append(
            f"Links lead to folders that are read too, so that pictures come twice: {counted(files.twice)}."
        )
    if masks := _like_masks(found.table["file_name"]):
        found.notes.append(
            f"{counted(masks)} are called like masks of others and were read as pictures of their own; if they are "
            "masks, move them out of the folder."
        )
    if "split" not in found.table and not any("split" in note for note in found.notes):
        found.notes.append(f"There are no splits: call folders train and test, or {NO_SPLIT}.")
    return found


def _like_masks(names: Iterable[str]) -> list[str]:
    """The pictures that are called like masks of others: 1_mask.png beside 1.png, masks/1.png beside images/1.png."""
    stems = {splitext(name.casefold())[0]: printable(name) for name in names}
    masks = []
    for stem, name in stems.items():
        ending = next((end for end in MASK_ENDINGS if stem.endswith(end)), "")
        plain = stem.removesuffix(ending)
        of_images = {
            plain.replace(f"{word}/", f"{image}/") for word in MASKS if f"{word}/" in plain for image in IMAGES
        }
        if (ending and plain in stems) or not of_images.isdisjoint(stems):
            masks.append(name)
    return masks


def _called_like_a_table(name: str) -> bool:
    stem, suffix = splitext(name.casefold())
    return stem in LIKE_A_TABLE and suffix in (".xlsx", ".xls", ".ods", ".json", ".txt", ".xml", ".pkl")


def _count_the_rest(found: Layout, files: Listing) -> None:
    """All files that are neither pictures nor described them are passed over; what a table names is not."""
    taken = set(found.table["file_name"])
    if unread := [name for name in files.tables if name not in found.tables]:
        found.passed_over["tables that were not read"] = [printable(name) for name in unread]
    for reason, names in files.counted().items():
        if rest := [name for name in names if name not in taken]:
            found.passed_over[reason] = [*found.passed_over.get(reason, []), *rest]


def _read(files: Listing, inside: str) -> Layout | None:
    """What lies in one folder of the listing (its name with a slash), by the rules of `list_pictures`; None if nothing."""
    names = [name for name in files.pictures if name.startswith(inside)]
    table = find_table(files, inside)
    if table.paths:
        found = completed(describe(files, inside, table), inside, names)
        found.tables = {path.relative_to(files.root).as_posix() for path in table.paths}
        return found
    if not names:
        return None
    tops = _parts(names, inside, 0)
    if not tops:
        return Layout("pictures without labels", pd.DataFrame({"file_name": names}), notes=table.notes)
    found = _in_folders(files, inside, names, tops)
    found.notes[:0] = table.notes
    return found


def _in_folders(files: Listing, inside: str, names: list[str], tops: list[str]) -> Layout:
    loose = [name for name in names if "/" not in name[len(inside) :]]
    splits = folder_splits(tops)
    if splits is None and len(tops) == 1 and not loose and _is_wrapper(files, f"{inside}{tops[0]}/"):
        if found := _read(files, f"{inside}{tops[0]}/"):
            found.notes.insert(0, f"All lies in the folder {printable(inside + tops[0])}, which is no label.")
            return found
    names = [name for name in names if "/" in name[len(inside) :]]
    found = _of_splits(files, inside, splits) if splits else _of_classes(files, inside, names)
    if loose:
        where = files.root / inside if inside else files.root
        listed = ", ".join(tops[:3])
        kind = "split" if splits else "class"
        sentence = (
            f"{where} holds {len(loose)} pictures ({loose[0]!r}, ...) beside its {kind} folders ({listed}); "
            "move them into one, or describe all in a metadata.csv."
        )
        found.problems.append(Problem(sentence, f"beside the {kind} folders", loose))
    return found


def _is_wrapper(files: Listing, inside: str) -> bool:
    """Whether a folder holds split folders or a table, or only one folder that does, and so is itself no class."""
    tops = _parts([name for name in files.pictures if name.startswith(inside)], inside, 0)
    if folder_splits(tops) or find_table(files, inside).paths:
        return True
    return len(tops) == 1 and _is_wrapper(files, f"{inside}{tops[0]}/")


def _of_splits(files: Listing, inside: str, splits: dict[str, str]) -> Layout:
    """Split folders, each read on its own."""
    parts = {top: part for top in splits if (part := _read(files, f"{inside}{top}/"))}
    tables = [part.table.assign(split=splits[top]) for top, part in parts.items()]
    kinds = " and ".join(sorted({part.layout for part in parts.values()}))
    found = Layout(f"split folders of {kinds}", pd.concat(tables, ignore_index=True))
    if overruled := [top for top, part in parts.items() if "split" in part.table]:
        found.notes.append(f"The split is that of the folder, not that of the table in {counted(overruled)}.")
    if renamed := [f"{top} is {split}" for top, split in splits.items() if top != split]:
        found.notes.append(f"The splits were read as: {', '.join(renamed)}.")
    if own := [top for top in splits if split_of(top) is None]:
        found.notes.append(f"A split of its own name, beside those that are known: {counted(own)}.")
    bare = [top for top, part in parts.items() if "label" not in part.table]
    if bare and len(bare) < len(parts):
        found.notes.append(f"The pictures of these splits have no label: {counted(bare)}.")
    for part in parts.values():
        found.tables |= part.tables
        found.problems += part.problems
        found.notes += [note for note in part.notes if note not in found.notes]
        for reason, names in part.passed_over.items():
            found.passed_over.setdefault(reason, []).extend(names)
    empty = [top for top in _children(files, inside) if top not in splits]
    found.notes += [f"No picture lies in {counted(empty)}, beside the split folders."] if empty else []
    return found


def _of_classes(files: Listing, inside: str, names: list[str]) -> Layout:
    """Class folders; where each of them holds a train and a test folder, these are the splits."""
    labels = [name[len(inside) :].split("/")[0] for name in names]
    table = pd.DataFrame({"file_name": names, "label": labels})
    layout, notes = "class folders", _about_classes(files, inside, sorted(set(labels)))
    deep = [name[len(inside) :].split("/")[1] if name.count("/") > inside.count("/") + 1 else "" for name in names]
    splits = folder_splits(sorted(set(deep))) if all(deep) else None
    if splits and len(set(splits.values())) > 1:
        table["split"] = [splits[folder] for folder in deep]
        layout, notes = "class folders of split folders", [*notes, f"Splits within the classes: {', '.join(splits)}."]
    elif len(set(labels)) == 1 and len(set(deep) - {""}) > 1:
        notes.append(
            f"{labels[0]!r} is the only class folder; if the folders in it are the classes, name it: folder:PATH/{labels[0]}."
        )
    elif splits is None and len(set(labels)) > 1 and (same := _same_inside(labels, deep)):
        notes.append(
            f"All class folders hold the same folders, {counted(same)}; if these are the classes, say so in a table."
        )
    return Layout(layout, table, notes=notes)


def _same_inside(labels: list[str], deep: list[str]) -> list[str]:
    """The folders that lie in every class folder, if there are several and no others (domains of the same classes)."""
    inside = defaultdict(set)
    for label, folder in zip(labels, deep, strict=True):
        inside[label].add(folder)
    first, *others = inside.values()
    return sorted(first) if len(first) > 1 and "" not in first and all(other == first for other in others) else []


def _about_classes(files: Listing, inside: str, labels: list[str]) -> list[str]:
    """Which class folders gave no picture, and which are hardly told apart."""
    notes = []
    lost = [name for name in _children(files, inside) if name not in labels]
    reasons = [*files.broken.values(), *files.passed_over.values(), files.tables]
    bad = [name for names in reasons for name in names]
    full = [name for name in lost if any(other.startswith(f"{printable(inside + name)}/") for other in bad)]
    if full:
        notes.append(f"No picture was taken from these folders, all their files were passed over: {_in(inside, full)}.")
    if empty := [name for name in lost if name not in full]:
        notes.append(f"These folders are empty, and no classes: {_in(inside, empty)}.")
    for same in alike_but_for_spelling(labels):
        notes.append(f"The classes {same} differ only in case or blanks; they are kept apart.")
    return notes


def _in(inside: str, folders: list[str]) -> str:
    return counted([inside + folder for folder in folders])


def _children(files: Listing, inside: str) -> list[str]:
    """The names of the folders that lie right in one, empty or not."""
    return [name[len(inside) :] for name in files.folders if name.startswith(inside) and "/" not in name[len(inside) :]]


def _parts(names: Iterable[str], inside: str, level: int) -> list[str]:
    """The names of the folders at this level below `inside` in which pictures lie."""
    split = (name[len(inside) :].split("/") for name in names)
    return sorted({parts[level] for parts in split if len(parts) > level + 1})
