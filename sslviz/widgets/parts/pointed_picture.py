"""A picture that knows which of its patches the pointer is over."""

from __future__ import annotations

from pathlib import Path

import anywidget
import numpy as np
import traitlets

from sslviz.figures import png


class PointedPicture(anywidget.AnyWidget):
    """A crisp picture, cut into a grid of patches; the one under the pointer is framed.

    - patch: its number, row by row; a click keeps it until the next click, and the arrow keys move it
    - rows, columns: of the grid
    - width: pixels on the page
    - picture: a PNG file

    Example:
        >>> import numpy as np
        >>> picture = PointedPicture.of(np.zeros((32, 32, 3), np.uint8), rows=8, columns=8)
        >>> picture.patch = 9  # as if the pointer were in the second row, over the second patch
    """

    _esm = Path(__file__).with_suffix(".js")

    picture = traitlets.Bytes().tag(sync=True)
    rows = traitlets.Int(1).tag(sync=True)
    columns = traitlets.Int(1).tag(sync=True)
    width = traitlets.Int(224).tag(sync=True)
    patch = traitlets.Int(0).tag(sync=True)
    words = traitlets.Unicode("A picture").tag(sync=True)

    @classmethod
    def of(
        cls, pixels: np.ndarray, *, rows: int, columns: int, patch: int = 0, words: str = "A picture"
    ) -> PointedPicture:
        """Of uint8 pixels (h, w, 3); `words` are for those who do not see it."""
        return cls(picture=png(pixels), rows=rows, columns=columns, patch=patch, words=words)

    @traitlets.validate("patch")
    def _inside(self, proposal: traitlets.Bunch) -> int:
        """A patch that the grid has; ValueError for another."""
        most = self.rows * self.columns
        if not 0 <= proposal["value"] < most:
            raise ValueError(f"The patches of this picture are numbered from 0 to {most - 1}; got {proposal['value']}.")
        return proposal["value"]
