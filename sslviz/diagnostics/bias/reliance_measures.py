"""Measures of reliance: how answers follow the label or the attribute where both agree and where they conflict."""

from __future__ import annotations

import numpy as np

MEASURES = ("aligned", "conflict", "cue_conflict", "lost_at_random")


def reliance_measures(
    answers: np.ndarray, truth: np.ndarray, cue: np.ndarray, pairs: np.ndarray, times: np.ndarray
) -> dict[str, np.ndarray]:
    """MEASURES and "gap" of answers (b, draws, n) with images counted `times` (r, n): {measure: (b, draws, r)}.

    `truth` and `cue` (n,) are classes and values of the images, `pairs` (k,) the value expected with each class.  Every
    group of class and value counts the same; NaN where a resample holds none of its images.
    """
    groups = truth * (cue.max() + 1) + cue
    aligned = pairs[truth] == cue
    misled = ~aligned & (pairs[answers] == cue)
    right = answers == truth
    by_group: dict[bool, list[np.ndarray]] = {True: [], False: []}
    for group in np.unique(groups):
        rows = groups == group
        with np.errstate(invalid="ignore"):
            share = right[..., rows].astype(float) @ times[:, rows].T / times[:, rows].sum(axis=1)
        by_group[bool(aligned[rows][0])].append(share)
    agreeing, conflicting = (np.nanmean(by_group[side], axis=0) for side in (True, False))
    everywhere = np.nanmean([*by_group[True], *by_group[False]], axis=0)
    conflict = times[:, ~aligned].T
    by_cue, by_label = (answer[..., ~aligned].astype(float) @ conflict for answer in (misled, right))
    with np.errstate(invalid="ignore"):
        cue_conflict = by_cue / (by_cue + by_label)
    return {
        "aligned": agreeing,
        "conflict": conflicting,
        "gap": agreeing - conflicting,
        "lost_at_random": agreeing - everywhere,
        "cue_conflict": cue_conflict,
    }
