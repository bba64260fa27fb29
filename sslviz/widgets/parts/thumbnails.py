"""Pictures in an explorer, found by their ids."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import pandas as pd

from sslviz.data import Images
from sslviz.figures import gallery_html

SIZE = 56  # pixels of a side


class Thumbnails:
    """The pictures of some ids as HTML: crisp, of one size; the ids alone where there are no pictures."""

    def __init__(self, images: Images | None) -> None:
        self.images = images

    def __call__(
        self, ids: Sequence[str], captions: Sequence[str] | None = None, *, size: int = SIZE, limit: int = 60
    ) -> str:
        """These pictures in their order, each with its caption below; ValueError for ids that have none."""
        if self.images is None:
            texts = list(ids) if captions is None else [f"{i} ({c})" for i, c in zip(ids, captions, strict=True)]
            more = f" and {len(texts) - limit:,} more" if len(texts) > limit else ""
            return f"<div>{escape(', '.join(texts[:limit]))}{more}</div>"
        where = pd.Index(self.images.ids).get_indexer(pd.Index(ids))
        if (where < 0).any():
            raise ValueError(f"There is no picture of {ids[int((where < 0).argmax())]!r} among the images.")
        return gallery_html(self.images.pixels[where], ids, captions=captions, size=size, limit=limit)
