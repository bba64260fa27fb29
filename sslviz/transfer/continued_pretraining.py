"""Pretraining that goes on with pictures of another domain, and what a readout of the source makes of it there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from sslviz.data import Images
from sslviz.data.sampling import sample_rows
from sslviz.explanations.pictures import require_pictures
from sslviz.features import Features
from sslviz.features.embed import embed, embed_pixels, to_device
from sslviz.methods import METHODS
from sslviz.runs import Checkpoint
from sslviz.runtime.progress import progress_bar
from sslviz.runtime.threads import one_thread
from sslviz.transfer.budget import Budget, Passes, halves
from sslviz.transfer.continued_result import ARMS, CLASS_BY_CLASS, ONE_CLASS, SCRATCH, SOURCE, TARGET, Continued
from sslviz.transfer.continuing import BATCH, continued, head_of
from sslviz.transfer.target_streams import NONE, TRAINED_THERE, target_streams
from sslviz.transfer.two_domains import Space, TwoDomains, fitted_head, two_domains

STEPS = 200  # of each training: five of them take conv_nano a minute or two


def continued_pretraining(
    checkpoint: Checkpoint,
    images: Images,
    label: str = "label",
    *,
    fit: Images | None = None,
    target: Images | None = None,
    steps: int = STEPS,
    rate: float = 0.1,
    seed: int = 0,
    progress: bool = True,
) -> Continued:
    """Does it help to go on pretraining with pictures of another domain, without labels there?

    The encoder is trained on with its own method and its own head, from this checkpoint.  It sees one half of `target`,
    without labels, for some steps.  Then the linear readout of `adaptation` is fitted to its features of `fit`, or of one
    half of `images`, and reads the other half of `target`.  Neither the checkpoint nor its file is changed.

    - target: pictures of another domain that have the same column
    - steps: of 64 pictures, the same for every training; 0 trains nothing, so that nothing is gained
    - rate: the learning rate at its peak, as a share of the method's own; a high one forgets what was learnt (0.1)

    Trained for as many steps, on as many pictures, and read in the same way:

    - continued on the source: a control; what it gains is no matter of the domain
    - from scratch on the target: a control, from random weights
    - continued where 85 % are of one class, and class by class, each with its share of the steps.  The domain may come
      so, and then every method that compares pictures of a batch has little to tell apart

    The reader of the checkpoint as it is stands beside them, and one that is fitted on labels of the target.  Scores are
    accuracies and paired gains, classes counted alike, 0 to 1, with bootstrap intervals over images from ten of a class.
    What a method keeps for training only, such as a slow copy or a queue, begins anew.

    ValueError without a target, for an encoder that was not pretrained here, and as `shift`.

    Example:
        >>> import sslviz
        >>> head = {"method": "simclr", "settings": {}}
        >>> checkpoint = sslviz.Checkpoint("example", 0, {"name": "conv_nano", "image_size": 16}, path=None, head=head)
        >>> here, there = sslviz.shapes(n=80, size=16), sslviz.shapes(n=80, size=16, seed=1)
        >>> few = {"target": there, "steps": 0, "progress": False}
        >>> sslviz.continued_pretraining(checkpoint, here, "shape", **few).scores()["gain"].value
        0.0

    Caveat: Each way is trained once, and intervals are over pictures only; more steps or another rate can turn the answer.
    """
    target = _checked(checkpoint, images, target, steps, rate)
    by_role = {"images": images, "target": target} | ({} if fit is None else {"fit": fit})
    of = {role: embed(checkpoint, some, progress=False) for role, some in by_role.items()}
    two = two_domains(of["images"], of["target"], label, of.get("fit"), seed)
    source = images if fit is None else fit
    there = _pictures(target, two.space.target_fitted)
    here = _pictures(source, two.space.fitted)
    trainings = _trainings(there, here, two, seed)
    correct = {NONE: _read(two, two.space, seed)}
    correct[TRAINED_THERE] = _read(two, replace(two.space, fitted=two.space.target_fitted), seed)
    shown = {"fitted": here, "target_scored": _pictures(target, two.space.target_scored)}
    with progress_bar(f"continuing {checkpoint.run}", steps * len(trainings), "steps", shown=progress) as advance:
        for arm, stages in trainings.items():
            advance(0, note=arm)
            encoder = to_device(continued(checkpoint, stages, steps, rate, seed, fresh=arm == SCRATCH))
            moved = {role: replace(getattr(two.space, role), x=embed_pixels(encoder, x)) for role, x in shown.items()}
            correct[arm] = _read(two, replace(two.space, **moved), seed)
            advance(steps)
    scored = two.space.target_scored
    return Continued(
        run=checkpoint.run,
        method=head_of(checkpoint)["method"],
        label=label,
        classes=two.classes,
        ids=scored.ids,
        truth=two.codes(scored),
        correct={arm: correct[arm] for arm in ARMS},
        steps=steps,
        rate=rate,
        n_fit=len(two.space.fitted),
        n_trained_on=sum(map(len, trainings[TARGET])),
        left_out=two.left_out,
        seed=seed,
        scored_on=of["target"].pictures,
        fitted_on=two.space.fitted.pictures,
        group_column=of["images"].group,
        units=scored.units,
    )


def _checked(checkpoint: Checkpoint, images: Images, target: Images | None, steps: int, rate: float) -> Images:
    """The target; ValueError, in a sentence, for what cannot be asked."""
    if target is None:
        raise ValueError("Images of another domain are needed: give some with the same labels as target (--target).")
    for some in (images, target):
        require_pictures(some, "An encoder is trained on with pictures (n, h, w, 3), at least one")
    head_of(checkpoint)
    if steps < 0 or not rate > 0:
        raise ValueError(
            f"steps is at least 0 and rate a share of the learning rate above 0; got steps={steps}, rate={rate}."
        )
    return target


def _trainings(there: np.ndarray, here: np.ndarray, two: TwoDomains, seed: int) -> dict[str, list[np.ndarray]]:
    """{arm: pictures of each of its stages}: as many of the target as of the source, without their labels."""
    n = min(len(there), len(here))
    codes = two.codes(two.space.target_fitted)
    rows = sample_rows(len(there), n, seed)
    one_class = np.sort(target_streams(codes, seed)["label_shift"][0])
    of_classes = [rows[codes[rows] == c] for c in np.unique(codes[rows])]
    by_class = [there[of_class] for of_class in of_classes if len(of_class) > 1]  # a batch holds two or more
    on_target = [there[rows]]
    on_source = [here[sample_rows(len(here), n, seed)]]
    return {
        TARGET: on_target,
        SOURCE: on_source,
        SCRATCH: on_target,
        ONE_CLASS: [there[one_class]],
        CLASS_BY_CLASS: by_class,
    }


def _pictures(images: Images, features: Features) -> np.ndarray:
    """The pixels of the images that these features are of, in their order."""
    return images.pixels[pd.Index(images.ids).get_indexer(pd.Index(features.ids))]


@one_thread
def _read(two: TwoDomains, space: Space, seed: int) -> np.ndarray:
    """Whether each scored image of the target is read rightly by a readout of what is fitted on, (n,) bool."""
    head = fitted_head(space.fitted, two.label, seed)
    return head.correct(space.target_scored.x, two.codes(space.target_scored), two.classes)


def _passes(
    checkpoint: Checkpoint,
    images: Images,
    label: str = "label",
    *,
    fit: Images | None = None,
    target: Images | None = None,
    steps: int = STEPS,
    **others: object,
) -> Passes:
    """Five trainings, each of as many views of a picture as the method takes, and what is read after each."""
    views = METHODS[head_of(checkpoint)["method"]].views.views
    scored, fitted = halves(images, fit)
    there = 0 if target is None else len(target)
    shown = min(BATCH, fitted, max(2, there // 2))
    return Passes(scored + fitted + there + 5 * (fitted + there // 2), 5 * steps * shown * views)


BUDGET = Budget(_passes, tuple({"steps": steps} for steps in (100, 50, 20)))
