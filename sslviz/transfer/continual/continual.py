"""Learning one task after another from a checkpoint, in several ways, beside joint training and frozen encoders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sslviz.data import Images
from sslviz.data.sampling import sample_rows
from sslviz.runs import Checkpoint
from sslviz.runtime.progress import progress_bar
from sslviz.runtime.random_state import seeded
from sslviz.transfer.budget import Budget, Passes, classes_in, halves
from sslviz.transfer.continual.continual_result import SEQUENCE, Continual
from sslviz.transfer.continual.course import Course
from sslviz.transfer.continual.learner import BATCH
from sslviz.transfer.continual.remedies import FISHER_PICTURES
from sslviz.transfer.continual.tasks import Lesson, classes_of, divided, lesson
from sslviz.transfer.picture_split import fitted_apart, picture_halves, refuse_seen_pictures

HOW = (SEQUENCE, "replay", "ewc", "distillation")
STEPS = 100  # of each task
MOST = 2000  # pictures fitted on, and as many scored: every stage of every way looks at all of them


def continual(
    checkpoint: Checkpoint,
    images: Images,
    label: str = "label",
    *,
    fit: Images | None = None,
    tasks: int | Sequence[Sequence[str]] | None = None,
    how: Sequence[str] = HOW,
    steps: int = STEPS,
    seed: int = 0,
    progress: bool = True,
) -> Continual:
    """Does it learn one task after another, or forget?

    The classes of the label are divided into tasks.  The encoder is trained further on one task after another, with labels.
    Each task has a head of its own, and at scoring it is known which task a picture belongs to (task-incremental).  A head
    begins as a linear readout of the features at that time.  Batch statistics stay those of the checkpoint.

    - fit: pictures to train and fit on; without them a stratified half of `images`, and the other half is scored
    - tasks: how many, or the classes of each by name; by default three, or two of fewer than six classes
    - how: "sequence", nothing against forgetting; "replay", half of every batch from 100 old pictures; "ewc", weights
      held where they mattered (arXiv 1612.00796); "distillation", features held on new pictures (arXiv 1606.09282)
    - steps: of each task, with 64 pictures each

    Scores: see `Continual.scores`.  Heads fitted again to the final features tell what the features lost from a head that
    was left behind.  Controls: heads on the checkpoint frozen and on it untrained, the plain sequence, and joint training.
    ValueError for labels and tasks that cannot be divided, and for ways nobody knows.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("untrained", 0, {"name": "conv_nano", "image_size": 16}, path=None)
        >>> few = {"how": ["sequence"], "steps": 1, "progress": False}
        >>> sslviz.continual(checkpoint, sslviz.shapes(n=48, size=16), **few).matrix("sequence").shape
        (2, 2)

    Caveat: Each way is trained once, and intervals are over pictures only: another order of tasks or another seed can
    change more than they say.
    """
    ways = list(dict.fromkeys(how))
    if not ways or set(ways) - set(HOW) or steps < 1:
        raise ValueError(f"`how` names some of {', '.join(HOW)}, for 1 step or more; got {ways} and {steps} steps.")
    names, _ = classes_of(images if fit is None else fit, label)
    groups = divided(list(names), tasks, label)
    shared: dict[str, int] = {}
    if fit is None:
        scored, fitted = picture_halves(images, label, seed)
    else:
        scored, (fitted, shared) = images, fitted_apart(images, fit)
    refuse_seen_pictures(scored, fitted)
    parts = [lesson(one, label, groups) for one in (fitted, scored)]
    fit_part, scored_part = (_sample(part, seed) for part in parts)
    of_tasks, taken = (sum(len(part.images) for part in these) for these in (parts, (fit_part, scored_part)))
    left_out = shared | {
        "they are of classes that no task has": len(fitted) + len(scored) - of_tasks,
        f"of more than {MOST} pictures a sample is taken": of_tasks - taken,
    }
    with seeded(seed):
        course = Course(checkpoint, fit_part, scored_part, groups, steps, seed)
        total = steps * (1 + len(ways) * (len(groups) - 1) + len(groups))
        with progress_bar(f"learning tasks from {checkpoint.run}", total, "steps", shown=progress) as advance:
            found = course.run(ways, advance)
    return Continual(
        run=checkpoint.run,
        label=label,
        tasks=groups,
        how=ways,
        ids=scored_part.images.ids,
        truth=np.cumsum([0, *map(len, groups)])[scored_part.task] + scored_part.code,
        steps=steps,
        seed=seed,
        left_out={reason: count for reason, count in left_out.items() if count},
        **found,
    )


def _sample(part: Lesson, seed: int) -> Lesson:
    rows = sample_rows(len(part.images), MOST, seed)
    return Lesson(part.images.rows(rows), part.task[rows], part.code[rows])


def _passes(
    checkpoint: Checkpoint,
    images: Images,
    label: str = "label",
    *,
    fit: Images | None = None,
    how: Sequence[str] = HOW,
    steps: int = STEPS,
    **others: object,
) -> Passes:
    """The first task once, each later one in every way, and all together; after each, all pictures are looked at."""
    tasks = len(divided([str(i) for i in range(max(4, classes_in(images, label)))], None, label))
    later = len(how) * (tasks - 1)
    looked_at = sum(min(n, MOST) for n in halves(images, fit))
    return Passes((later + 4) * looked_at, (later + 1 + tasks) * steps * BATCH + (tasks - 1) * FISHER_PICTURES)


BUDGET = Budget(_passes, tuple({"steps": steps} for steps in (50, 20, 10)))
