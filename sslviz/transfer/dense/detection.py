"""Detection: the boxes of objects and their classes, found by a small head on frozen tokens of patches."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from sslviz.data import Images
from sslviz.data.boxes import Boxes
from sslviz.diagnostics.result import units_of
from sslviz.explanations.pictures import require_pictures
from sslviz.runs import Checkpoint
from sslviz.runtime.progress import progress_bar
from sslviz.runtime.threads import one_thread
from sslviz.transfer.budget import Budget, Passes, halves
from sslviz.transfer.dense.average_precision import Matches, Placed, average_precisions, in_order, matches
from sslviz.transfer.dense.box_truth import everywhere, placed, surest_threshold, usual_boxes
from sslviz.transfer.dense.center_head import boxes_at_peaks, fit_head, targets
from sslviz.transfer.dense.detection_result import Detection
from sslviz.transfer.dense.patch_tokens import LAST, TokenReader, encoder_tokens, pixel_tokens, untrained_tokens
from sslviz.transfer.dense.pixel_classes import shown_rows, small
from sslviz.transfer.dense.true_boxes import objects_of
from sslviz.transfer.picture_split import named_only, scored_and_fitted

STEPS = 400  # of 32 pictures: 500 scenes take half a minute with all controls; twice as many read the same


@one_thread
def detection(
    checkpoint: Checkpoint,
    images: Images,
    *,
    fit: Images | None = None,
    layer: str | None = None,
    steps: int = STEPS,
    precision: str = "auto",
    seed: int = 0,
    progress: bool = True,
) -> Detection:
    """Can objects be found, named and boxed by its frozen features?

    A small head looks at the tokens of patches.  It is one 3 x 3 convolution, then one map of centres for each class,
    the place of a centre within its patch, and the size of its box (arXiv 1904.07850).  Cells that none of the 8 around
    them passes are boxes, at most 100 in a picture.  True boxes come from the column `boxes`, or else lie around the
    regions of all masks but "background", whose names are the classes.

    - fit: pictures with boxes that the head is fitted on; None: a random half of `images`, by `seed`
    - layer: whose tokens, as `embed_layers` calls it; an earlier stage has a finer grid.  None: the last grid
    - precision: of the encoder, as of `embed`; the result keeps which it was
    - steps: of fitting, 32 pictures each

    Scores: `ap50` and `ap`, average precision as COCO defines it; a class that no scored picture shows counts nothing.
    Controls: for each class its mean box where it lies most often; the same head on pixels and place of patches, and on the
    encoder untrained.

    ValueError for no pictures, clips, nothing that says where objects are, boxes that are empty or leave their picture, and
    pictures without any object.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("untrained", 0, {"name": "conv_nano", "image_size": 64}, path=None)
        >>> result = sslviz.detection(checkpoint, sslviz.scenes(n=20), steps=3, progress=False)
        >>> [*result.scores()], sorted(result.scores()["ap50"].controls)
        (['ap50', 'ap'], ['mean box', 'pixels and place', 'untrained'])

    Caveat: Edges are as exact as the grid allows, so that AP compares encoders on grids of one size only.  A larger
    head, or more pictures to fit it on, would find more.
    """
    require_pictures(images, "Detection needs pictures (n, h, w, 3), at least one")
    if steps < 1:
        raise ValueError(f"A head is fitted for at least one step; got steps={steps}.")
    images, fit, left_out = scored_and_fitted(images, fit, seed, "Detection")
    own, untrained = (make(checkpoint, images, layer, precision) for make in (encoder_tokens, untrained_tokens))
    objects, fitted = objects_of(images), objects_of(fit)
    classes = _classes(objects, fitted)
    truth = placed(objects, classes)

    find = partial(_found, images=images, fit=fit, classes=classes, steps=steps, seed=seed, progress=progress)
    found, grid = find(own)
    usual = usual_boxes(placed(fitted, classes), len(classes), grid, fit.size)
    guesses = {
        "mean box": everywhere(usual, len(images), images.size),
        "pixels and place": find(pixel_tokens(*grid))[0],
        "untrained": find(untrained)[0],
        "ceiling": _on_grid(objects, classes, grid, images.size),
    }
    matched = {name: matches(each, truth, len(images), len(classes)) for name, each in guesses.items()}
    averages = {name: average_precisions(each) for name, each in matched.items()}
    bare = _sure_of(guesses["untrained"], matched["untrained"])
    result = Detection(
        run=checkpoint.run,
        layer=layer or LAST,
        grid=grid,
        classes=classes,
        ids=images.ids,
        **_found_and_true(found, truth, len(images), len(classes)),
        ceiling_precision=averages.pop("ceiling"),
        control_precision=averages,
        untrained_found=bare.corners,
        untrained_of=bare.picture,
        shown=np.arange(0),
        pictures=images.pixels[:0],
        size=images.size,
        steps=steps,
        seed=seed,
        left_out=left_out,
        precision=own.precision,
        scored_on=images.digest,
        fitted_on=fit.digest,
        **units_of(named_only(images)),
    )
    return _with_pictures(result, images)


def _classes(truth: list[Boxes], fitted: list[Boxes]) -> list[str]:
    """The names of all boxes; ValueError where there is nothing to fit on, or to be found."""
    for objects, what in ((fitted, "to fit on"), (truth, "to be found")):
        if not any(len(boxes.classes) for boxes in objects):
            raise ValueError(f"None of these pictures has an object {what}; choose others.")
    return sorted({str(name) for boxes in (*truth, *fitted) for name in boxes.classes})


def _on_grid(objects: list[Boxes], classes: list[str], grid: tuple[int, int], size: tuple[int, int]) -> Placed:
    """The true boxes as far as this grid can say them."""
    said = targets(objects, classes, grid, size)
    return boxes_at_peaks((said.heat == 1).float(), said.shape, size)


def _found(
    tokens: TokenReader, images: Images, fit: Images, classes: list[str], steps: int, seed: int, progress: bool
) -> tuple[Placed, tuple[int, int]]:
    """The boxes in `images` by a head on these tokens that is fitted on `fit`, and the grid of the tokens."""
    title, fitted = tokens.name if progress else "", objects_of(fit)
    x = tokens(fit, title)
    grid = x.shape[1], x.shape[2]
    with progress_bar(f"fitting boxes to {tokens.name}", steps, "steps", shown=progress) as advance:
        head = fit_head(x, targets(fitted, classes, grid, fit.size), steps, seed, advance)
    del x
    found = head(tokens(images, title), images.size)
    return found.rows(
        np.isin(found.kind, placed(fitted, classes).kind)
    ), grid  # a class that was not fitted is not known


def _found_and_true(found: Placed, truth: Placed, images: int, classes: int) -> dict[str, Any]:
    """The fields of a result that say which boxes were found, which are true, and which of the found ones are right."""
    matched, kept = matches(found, truth, images, classes), found.rows(in_order(found))
    return {
        "found": kept.corners,
        "found_of": kept.picture,
        "found_class": kept.kind,
        "confidence": kept.score,
        "right": matched.right,
        "true_boxes": truth.corners,
        "true_of": truth.picture,
        "true_class": truth.kind,
        "true_counts": matched.true,
    }


def _with_pictures(result: Detection, images: Images) -> Detection:
    """The result with the pictures that are shown."""
    shown = shown_rows(result.of_pictures())
    of = np.isin(result.untrained_of, shown)
    return replace(
        result,
        shown=shown,
        pictures=small(images.pixels[shown]),
        untrained_found=result.untrained_found[of],
        untrained_of=result.untrained_of[of],
    )


def _sure_of(found: Placed, matched: Matches) -> Placed:
    """The boxes from their own best threshold on."""
    kept = found.rows(in_order(found))
    least = surest_threshold(matched.kind, matched.score, matched.right[:, 0], matched.true.sum(0))
    return kept.rows(kept.score >= least)


def _passes(checkpoint: Checkpoint, images: Images, *, fit: Images | None = None, **others: object) -> Passes:
    """All pictures by the encoder, and by it untrained."""
    return Passes(seen=2 * sum(halves(images, fit)))


BUDGET = Budget(_passes)
