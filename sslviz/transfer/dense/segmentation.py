"""Segmentation: the class of every pixel, read from frozen tokens of patches."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np

from sslviz.data import Images
from sslviz.diagnostics.result import Fitted, units_of
from sslviz.explanations.mean_interval import FEWEST_IMAGES
from sslviz.explanations.pictures import require_pictures
from sslviz.runs import Checkpoint
from sslviz.runtime.threads import one_thread
from sslviz.statistics import Score, delete_groups, percentile_interval
from sslviz.transfer.budget import Budget, Passes, halves
from sslviz.transfer.dense.confusion import confusions, mean_overlap, overlap_draws, overlaps
from sslviz.transfer.dense.label_maps import classes_of, enlarged, label_maps, patch_shares
from sslviz.transfer.dense.patch_readouts import PatchReadout, fit_readout
from sslviz.transfer.dense.patch_tokens import LAST, TokenReader, encoder_tokens, pixel_tokens, untrained_tokens
from sslviz.transfer.dense.pixel_classes import at_pixels, place_prior, shown_rows, small
from sslviz.transfer.picture_split import fitted_apart, named_only, random_halves

READOUTS = ("linear", "neighbours", "clusters")
MOST_CLASSES = 12  # that have a score of their own; `overlap_of` has all


@dataclass(frozen=True, eq=False)
class Segmentation(Fitted):
    """Result of `segmentation`, of n scored pictures and c classes.

    - run: the run it comes from
    - readout: what reads the tokens
    - layer: whose tokens they are; "last" is the grid that is pooled
    - grid: rows and columns of patches
    - classes: names of the masks, (c,)
    - ids: of the scored pictures, (n,)
    - counts: pixels of each class that were taken for each, int32 (n, true class, predicted class)
    - ceiling_counts: the same, where every patch is the class that most of it is
    - control_counts: the same of controls, all pictures together, {control: (c, c)}
    - shown: pictures that the figure shows, the worst first, indices into `ids` (k,)
    - pictures, truth, predicted, untrained: of these, uint8 (k, h, w, 3) and classes of pixels int16 (k, h, w), -1: unknown
    - left_out: {reason: images}
    - seed: of halves, fits and resamples
    """

    run: str
    readout: str
    layer: str
    grid: tuple[int, int]
    classes: list[str]
    ids: np.ndarray
    counts: np.ndarray
    ceiling_counts: np.ndarray
    control_counts: dict[str, np.ndarray]
    shown: np.ndarray
    pictures: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    untrained: np.ndarray
    left_out: dict[str, int] = field(default_factory=dict)
    seed: int = 0

    @property
    def name(self) -> str:
        """How figures call it: the run it comes from."""
        return self.run

    @property
    def ceiling(self) -> float:
        """The mean overlap where every patch is the class that most of it is."""
        return float(mean_overlap(self.ceiling_counts.sum(0)))

    @cached_property
    def overlap_of(self) -> dict[str, float]:
        """{class: intersection over union} over all pictures; NaN for one neither there nor predicted."""
        return dict(zip(self.classes, overlaps(self.counts.sum(0)).tolist(), strict=True))

    def of_pictures(self) -> np.ndarray:
        """The mean overlap within each picture (n,); the score is not their mean, for classes are rare in some."""
        return mean_overlap(self.counts)

    def paired_replicates(self) -> dict[str, np.ndarray]:
        """{score: the score without each tenth of the pictures}."""
        groups = delete_groups(len(self.ids), seed=self.seed, units=self.units)
        kept = [groups != group for group in np.unique(groups)] if groups.any() else []
        return {"miou": np.array([float(mean_overlap(self.counts[keep].sum(0))) for keep in kept])}

    def scores(self) -> dict[str, Score]:
        """How well do predicted and true regions overlap?

        - miou: intersection over union, the mean over classes; all pixels of all pictures are counted together
        - of_ceiling: the same as a share of what this grid could show, if every patch were the class that most of it is
        - iou CLASS: of each class by itself

        Bootstrap intervals over pictures, from 8 on.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        totals = {control: overlaps(counts) for control, counts in self.control_counts.items()}
        means = {control: float(mean_overlap(counts)) for control, counts in self.control_counts.items()}
        own = float(mean_overlap(self.counts.sum(0)))
        draws = ceilings = None
        if (len(self.ids) if self.units is None else len(np.unique(self.units))) >= FEWEST_IMAGES:
            both = (self.counts, self.ceiling_counts)
            draws, ceilings = (overlap_draws(counts, self.seed, self.units) for counts in both)
        mean_draws = None if draws is None else np.nanmean(draws, axis=1)
        ratio_draws = None if ceilings is None else mean_draws / np.nanmean(ceilings, axis=1)
        scores = {
            "miou": _score(own, mean_draws, means),
            "of_ceiling": _score(
                own / self.ceiling, ratio_draws, {name: value / self.ceiling for name, value in means.items()}
            ),
        }
        for i, (name, value) in enumerate([*self.overlap_of.items()][:MOST_CLASSES]):
            controls = {control: float(each[i]) for control, each in totals.items()}
            scores[f"iou {name}"] = _score(value, None if draws is None else draws[:, i], controls)
        return scores


def _score(value: float, draws: np.ndarray | None, controls: dict[str, float]) -> Score:
    if not np.isfinite(value):
        return Score.unknown("no picture shows this class, and none was said to", dict.fromkeys(controls, 0.0), True)
    controls = {name: one if np.isfinite(one) else 0.0 for name, one in controls.items()}
    finite = np.empty(0) if draws is None else draws[np.isfinite(draws)]  # a rare class is in some draws only
    low, high = percentile_interval(finite) if len(finite) else (None, None)
    return Score(float(value), low, high, controls)


def _scored_and_fitted(images: Images, fit: Images | None, seed: int) -> tuple[Images, Images, dict[str, int]]:
    """The pictures that are scored, those that are fitted on (others, or a random half), and {reason: pictures} left out."""
    if fit is not None:
        require_pictures(fit, "Segmentation is fitted on pictures (n, h, w, 3), at least one")
        return images, *fitted_apart(images, fit)
    if len(images) < 2:
        raise ValueError("One picture cannot be fitted on and scored; give more, or others to fit on as `fit`.")
    classes_of(images)
    return *random_halves(images, seed), {}


@one_thread
def segmentation(
    checkpoint: Checkpoint,
    images: Images,
    *,
    fit: Images | None = None,
    readout: PatchReadout = "linear",
    layer: str | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Segmentation:
    """Do its features know where one thing ends and another begins?

    Each pixel is given a class by the frozen tokens of patches.  The classes are the masks of the images; a pixel in no
    mask, or in two, is unknown and counts nowhere.  The shares of classes that are read are interpolated between patches
    (bilinear), and the class with the largest is meant.

    - fit: pictures with the same masks that the readout is fitted on; None: a random half of `images`, by `seed`
    - readout: "linear": softmax regression on the shares of classes in patches.  "neighbours": the shares of the 30 most
      similar of 8,000 patches, weighted by exp(cosine / 0.02) (arXiv 2306.01667).  "clusters": k-means with as many clusters
      as classes, each named after one class so that they overlap most
    - layer: whose tokens, as `embed_layers` calls it; an earlier stage has a finer grid.  None: the last grid

    Score: `miou`, the intersection over union, from one count of all pixels.  Controls: the largest class everywhere; the
    most frequent class at each place; pixels and place of a patch, and the encoder untrained, by the same readout.  The
    ceiling is that of the grid: each patch is the class that most of it is.

    ValueError for no pictures, clips, missing masks, masks of another size, fewer than two classes, and masks of `fit` with
    other names.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("untrained", 0, {"name": "conv_nano", "image_size": 64}, path=None)
        >>> result = sslviz.segmentation(checkpoint, sslviz.scenes(n=40), progress=False)
        >>> sorted(result.scores()["miou"].controls)
        ['largest class', 'pixels and place', 'place', 'untrained']

    Caveat: What the grid is too coarse for cannot be shown by any readout: read the score beside its ceiling, and compare
    encoders on grids of one size.
    """
    require_pictures(images, "Segmentation needs pictures (n, h, w, 3), at least one")
    if readout not in READOUTS:
        raise ValueError(f"There is no readout {readout!r} of patches; choose one of: {', '.join(READOUTS)}.")
    images, fit, left_out = _scored_and_fitted(images, fit, seed)
    own, untrained = encoder_tokens(checkpoint, layer), untrained_tokens(checkpoint, layer)
    classes = classes_of(fit)
    if classes != classes_of(images, least=1):
        raise ValueError(
            f"Both sets of pictures need masks of the same names; {', '.join(classes)} are fitted on, and "
            f"{', '.join(sorted(images.masks))} are scored."
        )
    truth, fitted = label_maps(images, classes), label_maps(fit, classes)

    read = partial(_read, images=images, fit=fit, fitted=fitted, classes=len(classes), readout=readout, seed=seed)
    predicted, grid = read(own, title=own.name if progress else "")
    bare, _ = read(untrained, title=untrained.name if progress else "")
    guess = {"untrained": bare, "pixels and place": read(pixel_tokens(*grid), scaled=True)[0]}
    prior = place_prior(fitted, len(classes), images.size)
    guess["place"] = np.broadcast_to(prior, truth.shape)
    guess["largest class"] = np.full(truth.shape, np.bincount(fitted[fitted >= 0]).argmax())
    counts = confusions(truth, predicted, len(classes))
    best = enlarged(patch_shares(truth, len(classes), grid).argmax(-1), images.size)
    shown = shown_rows(mean_overlap(counts))
    unknown = int((counts.sum((1, 2)) == 0).sum())
    return Segmentation(
        run=checkpoint.run,
        readout=readout,
        layer=layer or LAST,
        grid=grid,
        classes=classes,
        ids=images.ids,
        counts=counts,
        ceiling_counts=confusions(truth, best, len(classes)),
        control_counts={name: confusions(truth, one, len(classes)).sum(0) for name, one in guess.items()},
        shown=shown,
        pictures=small(images.pixels[shown]),
        truth=small(truth[shown]),
        predicted=small(predicted[shown]),
        untrained=small(guess["untrained"][shown]),
        left_out=left_out | ({"no pixel lies in exactly one mask": unknown} if unknown else {}),
        seed=seed,
        scored_on=images.digest,
        fitted_on=fit.digest,
        **units_of(named_only(images)),
    )


def _read(
    tokens: TokenReader,
    *,
    images: Images,
    fit: Images,
    fitted: np.ndarray,
    classes: int,
    readout: PatchReadout,
    seed: int,
    scaled: bool = False,
    title: str = "",
) -> tuple[np.ndarray, tuple[int, int]]:
    """The class of every pixel of `images`, and the grid it was read from; `fitted` (m, h, w) are the classes in `fit`."""
    x = tokens(fit, title)
    grid = x.shape[1], x.shape[2]
    shares = patch_shares(fitted, classes, grid)
    predict = fit_readout(readout, x, shares, seed, scaled=scaled, units=fit.units)
    return at_pixels(tokens, predict, images, classes, title), grid


def _passes(checkpoint: Checkpoint, images: Images, *, fit: Images | None = None, **others: object) -> Passes:
    """All pictures by the encoder, and by it untrained."""
    return Passes(seen=2 * sum(halves(images, fit)))


BUDGET = Budget(_passes)
