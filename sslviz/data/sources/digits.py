"""The digits that come with scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
from PIL import Image

from sslviz.data.images import Images


def digits(*, size: int = 32) -> Images:
    """What does handwriting look like to an encoder?  The 1,797 digits that come with scikit-learn; no download.

    8x8 pictures of 16 greys (UCI, Alpaydin & Kaynak 1998), enlarged bilinearly to `size`; `label` is the digit as a
    word.  There are no splits in the table: `split` goes by the id.  ValueError for a size below 8.

    Example:
        >>> import sslviz
        >>> images = sslviz.digits(size=8)
        >>> len(images), images.size, images.table["label"][:3].tolist()
        (1797, (8, 8), ['0', '1', '2'])

    Caveat: There are 64 numbers a picture; raw pixels already do very well.
    """
    from sklearn.datasets import load_digits

    if size < 8:
        raise ValueError(f"digits needs size >= 8, the pictures' own; got {size}.")
    data = load_digits()
    grey = [Image.fromarray(np.rint(picture * (255 / 16)).astype(np.uint8)) for picture in data.images]
    pixels = np.stack([np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR)) for picture in grey])
    pixels = np.repeat(pixels[..., None], 3, axis=3)
    ids, table = np.arange(len(pixels)).astype(str), pd.DataFrame({"label": data.target.astype(str)})
    return Images(pixels, ids, table, spec=f"digits:size={size}")
