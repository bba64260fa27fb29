"""Readouts of many small classes by scikit-learn: without its advice, and without a check of what is always the same."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def small_classes() -> Iterator[None]:
    """Leaves out a warning that every fit to more classes than half the images would repeat, of columns known as classes.

    Nor are the estimators' own parameters checked, which are written in this project: a quarter of a fit of sixty images.
    """
    from sklearn import config_context

    with warnings.catch_warnings(), config_context(skip_parameter_validation=True):
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)  # that they may be numbers
        yield
