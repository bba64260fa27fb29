"""Which files are pictures: what Pillow opens, by suffix, and what an optional package adds."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

from PIL import Image

# Formats that Pillow knows by name only, or has another program draw.
NOT_OPENED = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "PALM", "PDF", "WMF"}
HEIF = frozenset({".heic", ".heif", ".heics", ".heifs", ".hif"})
NEEDS_HEIF = "they need a package, `pip install pillow-heif`"
LOOKED_FOR = "looked for .avif, .bmp, .gif, .jpg, .png, .tif, .webp and the others that Pillow opens"


def register_formats() -> None:
    """Teaches Pillow the formats of the optional packages that are installed."""
    picture_suffixes()


@cache
def picture_suffixes() -> dict[str, bool]:
    """{suffix of a picture: whether it is one of nothing else}.

    Those that are known by other programs too (.pcd holds points, .fit a training run) ask for a look inside.
    """
    if importlib.util.find_spec("pillow_heif"):
        from pillow_heif import register_heif_opener

        register_heif_opener()
    Image.init()
    return {
        suffix: Image.MIME.get(kind, "").startswith("image/")
        for suffix, kind in Image.registered_extensions().items()
        if (kind in Image.OPEN or kind == "MPO") and kind not in NOT_OPENED
    }


def opens(path: str | Path) -> bool:
    """Whether Pillow knows the file by its first bytes."""
    try:
        with Image.open(path):
            return True
    except Exception:  # PIL's readers raise nearly everything on files that are not theirs
        return False
