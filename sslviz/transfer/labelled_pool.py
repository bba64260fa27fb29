"""Which images are scored and which may be labelled, where something is trained on few labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sslviz.data import Images
from sslviz.diagnostics.result import pictures_of
from sslviz.features.class_names import class_text
from sslviz.features.columns import coded_values, stratified_half
from sslviz.features.complete_rows import complete_rows, listed
from sslviz.transfer.picture_split import named_only, refuse_seen_pictures


@dataclass(frozen=True, eq=False)
class LabelledPool:
    """Images to score and images to label, of the same classes.

    - scored, pool: the images
    - classes: names, (c,)
    - truth, codes: the class of each image scored (n,) and of each in the pool (m,), indices into `classes`
    - left_out: {reason: images}, of both
    - pictures: the fields of `Fitted`
    """

    scored: Images
    pool: Images
    classes: np.ndarray
    truth: np.ndarray
    codes: np.ndarray
    left_out: dict[str, int]
    pictures: dict[str, Any]

    def of(self, rows: np.ndarray) -> LabelledPool:
        """The same pictures to score, and a pool of these rows only."""
        return replace(self, pool=self.pool.rows(rows), codes=self.codes[rows])


def labelled_pool(images: Images, fit: Images | None, label: str, most: int, seed: int) -> LabelledPool:
    """The images to score, and a pool with at least `most` images of each class to draw labels from.

    Without `fit` the pool is a stratified half of `images`.  What belongs together stays on one side.  Images without a
    value, and classes that are too small, are left out and counted.  ValueError for clips, for a column that is not there,
    for images that lie on both sides, and where fewer than two classes remain.
    """
    for some in [images] if fit is None else [images, fit]:
        _require_labelled(some, label)
    if fit is not None:
        refuse_seen_pictures(images, fit)
        fit = fit.grouped_by(images.group)
    of_fit = None if fit is None else fit.table
    complete = complete_rows(images.table, of_fit, [label], group=images.group)
    scored = images.rows(complete.keep)
    if fit is None:
        half = stratified_half(_texts(scored, label), seed, scored.units) if len(scored) else np.zeros(0, bool)
        pool, scored = scored.rows(half), scored.rows(~half)
    else:
        pool = fit.rows(np.ones(len(fit), bool) if complete.keep_fit is None else complete.keep_fit)
    scored, pool, too_small = _large_enough(scored, pool, label, most)
    names = set(_texts(scored, label))
    pool = pool.rows(np.isin(_texts(pool, label), sorted(names)))  # classes that nobody is asked about
    if len(names) < 2:
        raise ValueError(
            f"Fine-tuning tells classes apart, but fewer than two classes of {label!r} have {most} images to be labelled and "
            "one to score; ask for fewer shots, or give more images."
        )
    classes, truth = coded_values(_texts(scored, label), label)
    codes = coded_values(_texts(pool, label), label)[1]
    pictures = pictures_of(named_only(scored, images), named_only(pool, fit or images))
    return LabelledPool(scored, pool, classes, truth, codes, {**complete.left_out, **too_small}, pictures)


def _require_labelled(images: Images, label: str) -> None:
    if not len(images) or images.pixels.ndim != 4:
        raise ValueError(
            f"Fine-tuning needs pictures (n, h, w, 3), at least one; got pixels of shape {images.pixels.shape}; of clips, "
            "pass single frames."
        )
    if label not in images.table:
        have = ", ".join(map(str, images.table.columns)) or "none"
        raise ValueError(f"The table has no column {label!r}; its columns are: {have}.")


def _large_enough(scored: Images, pool: Images, label: str, most: int) -> tuple[Images, Images, dict[str, int]]:
    """The images of classes of which so many can be labelled, and {reason: images} of the others."""
    texts = pd.Series(_texts(pool, label))
    counts = pd.Series(pool.unit_names).groupby(texts).nunique()  # of what belongs together, one is labelled
    small = sorted(str(name) for name in {*_texts(scored, label), *texts} if counts.get(name, 0) < most)
    if not small:
        return scored, pool, {}
    keep, keep_pool = (~np.isin(_texts(some, label), small) for some in (scored, pool))
    apart = f" of different {scored.group}" if scored.group else ""
    has = "has" if len(small) == 1 else "have"
    why = f"{label} {listed(small)} {has} fewer than {most} images{apart} to be labelled"
    return scored.rows(keep), pool.rows(keep_pool), {why: int((~keep).sum() + (~keep_pool).sum())}


def _texts(images: Images, label: str) -> np.ndarray:
    return np.array([class_text(value) for value in images.table[label]], dtype=object).astype(str)
