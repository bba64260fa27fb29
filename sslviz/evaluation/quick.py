"""Quick answers: a stated sample of the images that are scored and fitted on, under a digest of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sslviz.data import Images
from sslviz.data.sampling import sampled
from sslviz.features.column_kinds import asked_columns, describe_columns
from sslviz.features.label_column import label_column

QUICK = 500  # images scored, and as many fitted on: an accuracy's interval is then 9 points wide at most
QUICK_PICTURES = 8  # that maps are measured on: an interval needs as many


@dataclass(frozen=True, eq=False)
class QuickSample:
    """Some of the images, asked in their place.

    - images: those that are scored
    - fit: those fitted on; None: a half of `images`
    - target: of another domain, or None
    - of: how many images, fit and target were drawn from; 0 where there are none
    - column: whose classes are in proportion; empty: none
    - missing: classes of it of which no image was drawn
    """

    images: Images
    fit: Images | None
    target: Images | None
    of: tuple[int, int, int]
    column: str
    missing: Sequence[str]

    @property
    def whole(self) -> bool:
        """Whether there were no more images than a sample holds."""
        return all(side is None or len(side) == of for side, of in zip(self._sides, self.of, strict=True))

    @property
    def _sides(self) -> tuple[Images, Images | None, Images | None]:
        return self.images, self.fit, self.target

    @property
    def heading(self) -> str:
        """In a few words: "quick: 500 of 12,000 images"."""
        return f"quick: {len(self.images):,} of {self.of[0]:,} images"

    @property
    def line(self) -> str:
        """In a sentence: of how many of how many, and how they were drawn."""
        if self.whole:
            return f"Quick: all {len(self.images):,} images are asked, as there are no more."
        parts = [f"{len(self.images):,} of {self.of[0]:,} images are scored"]
        parts += [f"{len(self.fit):,} of {self.of[1]:,} fitted on"] if self.fit is not None else []
        parts += [f"{len(self.target):,} of {self.of[2]:,} of another domain looked at"] if self.target else []
        how = f", the classes of {self.column} in proportion" if self.column else ""
        how += f", those that share their {self.images.group} together" if self.images.group else ""
        gone = ", ".join(map(repr, self.missing))
        lost = f" No image of {self.column} {gone} is among them." if self.missing else ""
        return f"Quick: {', '.join(parts)}; drawn at random{how}.{lost} Without --quick all are asked."

    def to_dict(self) -> dict[str, Any]:
        """As it is written to JSON."""
        counts = {
            name: {"n": len(one), "of": of, "digest": one.digest}
            for name, one, of in zip(("images", "fit", "target"), self._sides, self.of, strict=True)
            if one is not None
        }
        words = {"column": self.column, "missing": list(self.missing), "heading": self.heading, "line": self.line}
        return {**counts, **words}


def quick_sample(
    images: Images,
    fit: Images | None = None,
    target: Images | None = None,
    *,
    label: str | None = None,
    most: int = QUICK,
) -> QuickSample:
    """What can be asked at once?  About `most` images scored, `most` fitted on and `most` of another domain.

    Where one half of the images is fitted on, twice as many are drawn.  The classes of `label` are drawn in proportion; by
    default of the column called label, else of the first with classes.  Images that belong together are drawn together.
    The same images give the same sample, and each part has a digest and a spec of its own.

    Example:
        >>> import sslviz
        >>> from sslviz.evaluation.quick import quick_sample
        >>> sample = quick_sample(sslviz.shapes(n=400), label="shape", most=40)
        >>> sample.heading, sample.images.spec.partition("seed=0,")[2]
        ('quick: 80 of 400 images', 'sample=80/shape')

    Caveat: Fewer images give wider intervals and fewer findings; what is not found in them may be found in all.
    """
    table, of_fit = images.table, None if fit is None else fit.table
    columns = asked_columns(describe_columns(table, of_fit, images.group))
    column = label or label_column(table) or next(iter(columns), "")
    some = sampled(images, most if fit is not None else 2 * most, column, images.group)
    some_fit, some_target = (
        None if side is None else sampled(side, most, column if column in side.table else "", side.group)
        for side in (fit, target)
    )
    of = tuple(0 if side is None else len(side) for side in (images, fit, target))
    missing = sorted({*table[column].dropna().astype(str)} - {*some.table[column].astype(str)}) if column else []
    assert len(of) == 3
    return QuickSample(some, some_fit, some_target, of, column, missing)
