"""Pictures of a run folder, as a gallery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from state.selection import Choice

from sslviz.figures.parts.thumbnails import gallery_html


def pictures(choice: Choice, ids: Sequence[str], captions: Sequence[str] | None = None, **options: Any) -> None:
    """Thumbnails of these images, from whichever run folder holds them; their ids where none does."""
    found = thumbnails(choice)
    if found is None:
        st.caption(
            f"The run folders hold no thumbnails of these images (diagnose again to make them): {', '.join(ids[:50])}"
        )
        return
    pixels, known = found
    where = pd.Index(known).get_indexer(pd.Index(ids))
    st.html(gallery_html(pixels[where], ids, captions=captions, **options))


def thumbnails(choice: Choice) -> tuple[np.ndarray, np.ndarray] | None:
    """The pictures of all images, and their ids in the same order, from whichever run folder holds them."""
    first = next(iter(choice.evidence.values())).features
    kept = (run.thumbnails(choice.digest or "") for run in choice.runs.values())
    pixels = next((p for p in kept if p is not None and len(p) == len(first)), None)
    return None if pixels is None else (pixels, first.ids)
