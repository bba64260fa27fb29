"""Pictures that are scored and pictures that are fitted on, where some belong together."""

from __future__ import annotations

import numpy as np

from sslviz.data import Images
from sslviz.features import Features
from sslviz.features.columns import coded_values, folds, refuse_one_sided, stratified_half


def picture_halves(images: Images, label: str, seed: int) -> tuple[Images, Images]:
    """The pictures that are scored and those that are fitted on: halves of each class, what belongs together on one side.

    ValueError where that leaves a class with nothing to score, or nothing to fit on.
    """
    half = stratified_half(coded_values(images.table[label], label)[1], seed, images.units)
    refuse_one_sided(named_only(images), label, half)
    return images.rows(~half), images.rows(half)


def random_halves(images: Images, seed: int) -> tuple[Images, Images]:
    """The pictures that are scored and those that are fitted on: two random halves, what belongs together on one side.

    ValueError where all of them belong together.
    """
    if images.units is None:
        half = np.random.default_rng(seed).permutation(len(images)) % 2 == 0
    else:
        half = folds(np.zeros(len(images), int), 2, seed, images.units) == 0
        if half.all():
            raise ValueError(f"All pictures share one {images.group}, so that none can be scored apart; give more.")
    return images.rows(~half), images.rows(half)


def scored_and_fitted(
    images: Images, fit: Images | None, seed: int, what: str
) -> tuple[Images, Images, dict[str, int]]:
    """The pictures that are scored, those that are fitted on (others, or a random half), and {reason: pictures} left out.

    ValueError, which names `what` is fitted, where there are too few pictures, or clips.
    """
    from sslviz.explanations.pictures import require_pictures  # with torch, which a listing need not load

    if fit is not None:
        require_pictures(fit, f"{what} is fitted on pictures (n, h, w, 3), at least one")
        return images, *fitted_apart(images, fit)
    if len(images) < 2:
        raise ValueError("One picture cannot be fitted on and scored; give more, or others to fit on as `fit`.")
    return *random_halves(images, seed), {}


def fitted_apart(images: Images, fit: Images) -> tuple[Images, dict[str, int]]:
    """The pictures to fit on that belong with none of those scored, and {reason: pictures} of the others.

    ValueError where none is left.
    """
    fit = fit.grouped_by(images.group)
    shared = fit.shares_units_with(images)
    if not shared.any():
        return fit, {}
    if shared.all():
        raise ValueError(
            f"All {len(fit):,} images to fit on share their {images.group} with images that are scored, so that nothing is "
            "left to fit on; name other images as fit, or none to use one half of those scored."
        )
    why = f"they are to be fitted on, but their {images.group} is scored"
    return fit.rows(~shared), {why: int(shared.sum())}


def refuse_seen_pictures(scored: Images, fitted: Images) -> None:
    """ValueError where a picture is scored and fitted on: same id and same pixels (ids alone may be row numbers)."""
    _, rows, fit_rows = np.intersect1d(scored.ids, fitted.ids, return_indices=True)
    if not len(rows) or scored.pixels.shape[1:] != fitted.pixels.shape[1:]:
        return
    same = sum(np.array_equal(scored.pixels[i], fitted.pixels[j]) for i, j in zip(rows, fit_rows, strict=True))
    if same:
        raise ValueError(
            f"{same} of the {len(scored)} images to score are also fitted on, which flatters; pass other images as `fit`, or "
            "none to use one half of these."
        )


def named_only(some: Images, source: Images | None = None) -> Features:
    """Features of nothing, which say of which pictures of `source` they are, and which of these belong together."""
    about = {"images": (some if source is None else source).digest}
    return Features(np.zeros((len(some), 1)), some.ids, some.table, about, some.group)
