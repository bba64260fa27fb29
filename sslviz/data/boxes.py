"""Boxes around objects, as text in the column `boxes` of a table: "disc 3 4 20 22; square 30 8 47 25".

A box is its class and x0 y0 x1 y1 in pixels from the picture's upper left corner.  The second corner lies beyond the
last pixel, so that x1 - x0 is the width.  A class may hold blanks, but no semicolon.  Empty text means that there is no
object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from sslviz.data.images import Images

BOXES = "boxes"  # the column
FORM = '"class x0 y0 x1 y1; class x0 y0 x1 y1", in pixels'
SHOWN = 80  # letters of a wrong text that an error repeats


class Boxes(NamedTuple):
    """The m boxes of one picture.

    - classes: of each box, str (m,)
    - corners: x0 y0 x1 y1 in pixels, float64 (m, 4)
    """

    classes: np.ndarray
    corners: np.ndarray


def parse_boxes(text: Any, size: tuple[int, int] | None = None) -> Boxes:
    """The boxes that a text says; none for empty text and for a missing value.

    - size: height and width of the picture, to refuse boxes outside it; None: not known

    ValueError, in one sentence, for text of another form, for numbers that are not finite, and for boxes that are empty or
    reach outside the picture.
    """
    if text is None or (not isinstance(text, str) and pd.isna(text)):
        text = ""
    boxes = [_box(part) for part in str(text).split(";") if part.strip()]
    found = Boxes(np.array([c for c, _ in boxes], dtype=str), np.array([b for _, b in boxes], float).reshape(-1, 4))
    _check(found, size)
    return found


def format_boxes(boxes: Boxes, size: tuple[int, int] | None = None) -> str:
    """The text of some boxes; arguments and errors as for `parse_boxes`, which reads it back."""
    classes, corners = np.asarray(boxes.classes, dtype=str), np.asarray(boxes.corners, float).reshape(-1, 4)
    if len(classes) != len(corners):
        raise ValueError(f"Boxes need a class each; got {len(classes)} classes and {len(corners)} boxes.")
    if wrong := [name for name in classes if ";" in name or name != name.strip() or not name]:
        raise ValueError(
            f"The class of a box is a name without semicolon or outer blanks; got {str(wrong[0])!r}: rename the class."
        )
    _check(Boxes(classes, corners), size)
    return "; ".join(
        f"{name} {' '.join(map(_number, box))}" for name, box in zip(classes.tolist(), corners.tolist(), strict=True)
    )


def boxes_of(images: Images) -> list[Boxes]:
    """The boxes of each picture, by the column `boxes`; ValueError, which names the picture, where one cannot be meant."""
    if BOXES not in images.table:
        raise ValueError(f"These images have no column {BOXES!r}; add one that says {FORM}.")
    found = []
    for id_, text in zip(images.ids, images.table[BOXES], strict=True):
        try:
            found.append(parse_boxes(text, images.size))
        except ValueError as error:
            raise ValueError(f"Image {id_}: {error}") from error
    return found


def are_boxes(values: pd.Series) -> bool:
    """Whether these values are the text of boxes; a few tell."""
    try:
        return all(isinstance(value, str) and parse_boxes(value) is not None for value in values[:100])
    except ValueError:
        return False


def _box(part: str) -> tuple[str, list[float]]:
    """The class and the four numbers of one box."""
    words = part.split()
    try:
        numbers = [float(word) for word in words[-4:]]
    except ValueError:
        numbers = []
    if len(words) < 5 or not numbers:
        raise ValueError(f"Boxes are written as {FORM}; got {part.strip()[:SHOWN]!r}.")
    return " ".join(words[:-4]), numbers


def _number(value: float) -> str:
    """A whole number without its fraction, any other so that it is read back as it was."""
    return str(int(value)) if value.is_integer() else repr(value)


def _check(boxes: Boxes, size: tuple[int, int] | None) -> None:
    """ValueError for the first box that cannot be one."""
    corners = boxes.corners
    x0, y0, x1, y1 = corners.T
    if (wrong := ~np.isfinite(corners).all(1)).any():
        _refuse(boxes, wrong, "a box needs four finite numbers")
    if (wrong := (x1 <= x0) | (y1 <= y0)).any():
        _refuse(boxes, wrong, "a box needs x0 < x1 and y0 < y1, or else it is empty")
    if size is not None and (wrong := (x0 < 0) | (y0 < 0) | (x1 > size[1]) | (y1 > size[0])).any():
        _refuse(boxes, wrong, f"a box must lie within its picture of {size[1]} x {size[0]} pixels")


def _refuse(boxes: Boxes, wrong: np.ndarray, why: str) -> None:
    i = int(np.argmax(wrong))
    numbers = " ".join(f"{value:g}" for value in boxes.corners[i])
    raise ValueError(
        f"The box {str(boxes.classes[i])!r} {numbers} cannot be: {why}; correct it in the column {BOXES!r}."
    )
