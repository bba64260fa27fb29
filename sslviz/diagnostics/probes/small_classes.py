"""Readouts of many small classes, without scikit-learn's advice that these might be numbers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def small_classes() -> Iterator[None]:
    """Leaves out a warning that every fit to more classes than half the images would repeat, of columns known as classes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)  # that they may be numbers
        yield
