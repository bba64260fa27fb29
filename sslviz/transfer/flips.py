"""Flips: whether the decision of a linear head changes when one factor of a drawn picture is changed and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from sslviz.data import Images, counterfactual
from sslviz.data.sampling import sample_rows
from sslviz.data.worlds import factors_of, redrawn_noise
from sslviz.features import Features
from sslviz.features.embed import embed_each
from sslviz.features.evidence import PIXELS, UNTRAINED
from sslviz.features.pixel_controls import raw_pixels
from sslviz.runs import Checkpoint
from sslviz.runtime.progress import progress_bar
from sslviz.transfer.budget import Budget, Passes, halves
from sslviz.transfer.flip_rates import Flips, outcome
from sslviz.transfer.flips_between import Pairs, flips_between, read_pairs
from sslviz.transfer.picture_split import fitted_apart, picture_halves

MOST = 300  # pictures, each drawn again for every factor: a rate of 0.05 is then known to 0.025
NOISE = "noise redrawn"
ALONE = "this factor alone"
EXAMPLES = 2  # of each factor, so that the pictures of all factors fit on one sheet


def flips(
    checkpoint: Checkpoint,
    images: Images,
    label: str = "label",
    *,
    fit: Images | None = None,
    precision: str = "auto",
    seed: int = 0,
    progress: bool = True,
) -> Flips:
    """Does changing one factor change the decision?

    In a world drawn here each factor can be changed alone (`counterfactual`), so that a changed decision has one cause
    (arXiv 2106.00545).  A linear head for the label is fitted as in `linear_probe` on `fit`, or else on a stratified half
    of `images`.  It reads up to 300 of the other pictures before and after each change.

    - precision: of the encoder, as of `embed`; the result keeps which it was

    Scores, as shares of pictures from 0 to 1, every class counting the same:
    - `follows F`: decisions that move to the new value where the label itself was changed; 1 is wanted
    - `flipped by F`: decisions that change although the label did not; 0 is wanted
    - `accuracy`: pictures read rightly before any change

    Controls: the noise drawn again and nothing else, another picture, raw pixels, the encoder untrained, and a head that
    sees this factor alone.  ValueError for pictures that no world here drew, and as `linear_probe`.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("untrained", 0, {"name": "conv_nano", "image_size": 16}, path=None)
        >>> result = sslviz.flips(checkpoint, sslviz.shapes(n=80, size=16, bias=0.25), progress=False)
        >>> list(result.scores())[:3]
        ['follows shape', 'flipped by color', 'flipped by texture']

    Caveat: A head that always says the same is never flipped: read the rates beside the accuracy. What holds in a drawn
    world need not hold in photographs.
    """
    factors = _factors(images)
    _column(images, label)  # says which columns there are where this one is wanting
    shared: dict[str, int] = {}
    if fit is None:
        scored, fitted = picture_halves(images, label, seed)
    else:
        scored, (fitted, shared) = images, fitted_apart(images, fit)
    some = scored.rows(sample_rows(len(scored), MOST, seed))
    drawn = {factor: counterfactual(some, factor, seed) for factor in factors} | {NOISE: redrawn_noise(some, seed)}
    fresh = checkpoint.untrained(seed=int(checkpoint.path is None and checkpoint.seed == 0))

    with progress_bar(
        f"changing pictures for {checkpoint.run}", 2 * (2 + len(drawn)), "sets", shown=progress
    ) as advance:

        def seen_by(encoder: Checkpoint | None) -> Pairs:
            sets = [some, *drawn.values(), fitted]
            found = []
            for features in map(raw_pixels, sets) if encoder is None else embed_each(encoder, sets, precision):
                found.append(features)
                advance(encoder is not None)
            return Pairs(found[0], dict(zip(drawn, found[1:-1], strict=True)), found[-1])

        own, controls = seen_by(checkpoint), {UNTRAINED: seen_by(fresh), PIXELS: seen_by(None)}
    result = flips_between(own.before, own.after, label, fit=own.fit, null=NOISE, control_features=controls, seed=seed)
    alone = np.stack([_alone(result, factor, some, drawn[factor], fitted) for factor in result.factors])
    at = _examples(result)
    pixels = [np.stack([some.pixels[i], drawn[result.factors[f]].pixels[i]]) for f, i in at]
    unseen = {f"a sample of {len(some)} pictures was changed": len(scored) - len(some)}
    return replace(
        result,
        control_outcome=result.control_outcome | {ALONE: alone},
        left_out=shared | (unseen if len(scored) > len(some) else {}),
        precision=own.before.source.get("precision", "fp32"),
        example_at=at,
        example_pixels=np.array(pixels, np.uint8).reshape(len(at), 2, *some.pixels.shape[1:]),
    )


def _factors(images: Images) -> list[str]:
    try:
        return factors_of(images)
    except ValueError as error:
        raise ValueError(
            "Flips need pictures that a world here drew (shapes, tagged_shapes, textured, randbit), since one factor alone "
            "can be changed only there; give pairs of your own to `flips_between`."
        ) from error


def _column(images: Images, label: str) -> pd.Series:
    if label not in images.table:
        raise ValueError(f"The table has no column {label!r}; its columns are: {', '.join(map(str, images.table))}.")
    return images.table[label]


def _alone(result: Flips, factor: str, before: Images, after: Images, fit: Images) -> np.ndarray:
    """The outcome (n,) of a head that sees this factor and nothing else; NaN for the factor that is the label."""
    row = result.factors.index(factor)
    if result.moves[row]:
        return np.full(len(before), np.nan)
    column = pd.concat([one.table[factor] for one in (before, after, fit)], ignore_index=True)
    numeric = pd.api.types.is_numeric_dtype(column)
    x = column.to_numpy(float)[:, None] if numeric else pd.get_dummies(column).to_numpy(float)
    parts = np.split(x, [len(before), 2 * len(before)])
    spaces = [Features(part, one.ids, one.table) for part, one in zip(parts, (before, after, fit), strict=True)]
    read = read_pairs(Pairs(spaces[0], {factor: spaces[1]}, spaces[2]), result.label, result.seed)
    return outcome(read[""], read[factor], result.truth, result.new_truth[row]).astype(float)


def _examples(result: Flips) -> np.ndarray:
    """Factor and picture of decisions that were right and flipped, (m, 2): of the factor that flips most first."""
    lost = result.outcome & (result.predicted == result.truth) & ~result.moves[:, None]
    order = np.argsort(-lost.sum(axis=1), kind="stable")
    found = [(f, i) for f in order for i in np.flatnonzero(lost[f])[:EXAMPLES]]
    return np.array(found, dtype=int).reshape(-1, 2)


def _passes(checkpoint: Checkpoint, images: Images, *, fit: Images | None = None, **others: object) -> Passes:
    """The pictures and each changed set of them, and those fitted on, by the encoder, and by it untrained."""
    scored, fitted = halves(images, fit)
    return Passes(seen=2 * (fitted + min(scored, MOST) * (2 + len(_factors(images)))))


BUDGET = Budget(_passes)
