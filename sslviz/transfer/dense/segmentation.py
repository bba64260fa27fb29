"""Segmentation: the class of every pixel, read from frozen tokens of patches."""

from __future__ import annotations

from functools import partial

import numpy as np

from sslviz.data import Images
from sslviz.diagnostics.result import units_of
from sslviz.explanations.pictures import require_pictures
from sslviz.runs import Checkpoint
from sslviz.runtime.threads import one_thread
from sslviz.transfer.budget import Budget, Passes, halves
from sslviz.transfer.dense.confusion import confusions, mean_overlap
from sslviz.transfer.dense.label_maps import classes_of, enlarged, label_maps, patch_shares
from sslviz.transfer.dense.patch_readouts import PatchReadout, fit_readout
from sslviz.transfer.dense.patch_tokens import LAST, TokenReader, encoder_tokens, pixel_tokens, untrained_tokens
from sslviz.transfer.dense.pixel_classes import at_pixels, place_prior, shown_rows, small
from sslviz.transfer.dense.segmentation_result import Segmentation
from sslviz.transfer.picture_split import named_only, scored_and_fitted

READOUTS = ("linear", "neighbours", "clusters")


@one_thread
def segmentation(
    checkpoint: Checkpoint,
    images: Images,
    *,
    fit: Images | None = None,
    readout: PatchReadout = "linear",
    layer: str | None = None,
    precision: str = "auto",
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
    - precision: of the encoder, as of `embed`; the result keeps which it was

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
    if fit is None and len(images) > 1:
        classes_of(images)  # which says what is wrong with the masks before they are divided
    images, fit, left_out = scored_and_fitted(images, fit, seed, "Segmentation")
    classes = _same_classes(images, fit)
    truth, fitted = label_maps(images, classes), label_maps(fit, classes)
    own, untrained = (make(checkpoint, images, layer, precision) for make in (encoder_tokens, untrained_tokens))

    read = partial(_read, images=images, fit=fit, fitted=fitted, classes=len(classes), readout=readout, seed=seed)
    predicted, grid = read(own, title=own.name if progress else "")
    bare, _ = read(untrained, title=untrained.name if progress else "")
    guess = {
        "untrained": bare,
        "pixels and place": read(pixel_tokens(*grid), scaled=True)[0],
        "place": np.broadcast_to(place_prior(fitted, len(classes), images.size), truth.shape),
        "largest class": np.full(truth.shape, np.bincount(fitted[fitted >= 0]).argmax()),
    }
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
        precision=own.precision,
        scored_on=images.digest,
        fitted_on=fit.digest,
        **units_of(named_only(images)),
    )


def _same_classes(images: Images, fit: Images) -> list[str]:
    """The names of the masks to fit on; ValueError where those of the scored pictures are others."""
    classes = classes_of(fit)
    if classes != classes_of(images, least=1):
        raise ValueError(
            f"Both sets of pictures need masks of the same names; {', '.join(classes)} are fitted on, and "
            f"{', '.join(sorted(images.masks))} are scored."
        )
    return classes


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
