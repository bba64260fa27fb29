"""A study: several methods, encoders or settings trained at equal budgets and measured side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from sslviz.data import Images
from sslviz.evaluation.study.measure import asked_about, trained_watched_scored
from sslviz.evaluation.study.plan import Arm, built_arms, combined_arms, open_folder, read_plan, texts, write_plan
from sslviz.evaluation.study.table import StudyResult
from sslviz.evaluation.study.trials import Trials
from sslviz.runtime.files import atomic_write, folder_lock, sweep

TABLE = "study.csv"


def study(
    images: Images,
    *,
    out: Annotated[str | Path, "The folder to make, with a run folder in it for each arm and seed, e.g. runs/study."],
    methods: Annotated[str | Sequence[str], "Names with commas between; see `sslviz list methods`."] = "simclr",
    encoders: Annotated[str | Sequence[str], "Names with commas between; see `sslviz list encoders`."] = "conv_nano",
    views: Annotated[float | None, "The budget of each run, in views rendered, e.g. 2e6."] = None,
    seconds: Annotated[float | None, "The budget in seconds instead; the steps follow from a short warm-up."] = None,
    seeds: Annotated[int, "Runs of each arm, with seeds from 0."] = 3,
    columns: Annotated[
        str | Sequence[str], "What probes read, with commas between; without it, all with classes."
    ] = "",
    batch_size: int = 256,
    learning_rate: Annotated[float | None, "For a batch of 256; without it, each method's own."] = None,
    optimizer: Annotated[str | None, "Without it, each method's own."] = None,
    precision: Annotated[str, "As of `sslviz pretrain`."] = "auto",
    vary: Mapping[str, Sequence[Any]] | None = None,
    settings: Mapping[str, Any] | None = None,
    progress: Annotated[bool, "Whether a bar with rate and remaining time is drawn."] = True,
) -> StudyResult:
    """Which of these learns more from the same budget?

    Trains each combination of `methods`, `encoders` and values of `vary` (an arm) with `seeds` seeds, and measures all of
    them alike, beside untrained encoders of the same seeds.  `out` gets a run folder `<arm>-seed<k>` for each run,
    `study.json` with every argument and the steps of each arm, and `study.csv` with the table.  An interrupted study goes
    on when it is called again.  Intervals are over seeds, by Student's t.

    - views: the budget; a step renders the method's views of each picture of the batch, and all arms render equally many
    - seconds: the budget in time; each arm's steps are fixed once, from its rate in a warm-up that is thrown away
    - columns: what linear probes read; the neighbours vote on the first; by default all columns with classes
    - vary: {setting: values}; batch_size, learning_rate, weight_decay and optimizer may be varied too
    - settings: those of all arms

    Pictures without a `split` column are divided by the hash of their ids.  An arm that cannot be built, like a method that
    needs a transformer around a convolutional net, is left out with its reason.  ValueError, before anything is trained,
    for names and numbers that make no sense, for an `out` of another study, and while another process works there.

    Example:
        >>> import sslviz, tempfile
        >>> options = {"views": 192, "seeds": 2, "batch_size": 32, "progress": False}
        >>> images, out = sslviz.shapes(n=200, size=16), tempfile.mkdtemp() + "/study"
        >>> result = sslviz.study(images, methods="simclr,vicreg", out=out, **options)
        >>> [(name, arm.arm.steps) for name, arm in result.arms.items()]
        [('simclr', 3), ('vicreg', 3)]

    Caveat: Small pictures and short trainings rank methods otherwise than large ones do.
    """
    out, vary, names = Path(out), dict(vary or {}), (texts(methods), texts(encoders))
    _check(names, vary, views, seconds, seeds)
    train, watched, scored, fit = trained_watched_scored(images)
    asked = asked_about(scored, fit, texts(columns))
    given = {"batch_size": batch_size, "learning_rate": learning_rate, "optimizer": optimizer}
    training = {name: value for name, value in given.items() if value is not None}
    arms = built_arms(combined_arms(*names, vary, settings or {}, training), min(images.size))
    _check_batches(arms, train)
    arms = [arm if arm.reason or views is None else arm.with_budget(views) for arm in arms]
    arguments = {
        "images": images.spec,
        "images_digest": images.digest,
        "methods": sorted(names[0]),
        "encoders": sorted(names[1]),
        "vary": vary,
        "settings": dict(settings or {}),
        "training": training,
        "columns": asked,
        "seeds": seeds,
        "views": views,
        "seconds": seconds,
        "precision": precision,
    }
    open_folder(out)
    with folder_lock(out, f"Another study is at work in {out} right now; wait for it, or stop it."):
        sweep(out)
        trials = Trials(out, train, watched, scored, fit, asked, seeds, precision)
        arms = _planned(trials, arms, arguments, min(images.size), seconds)
        trials.train_all(arms, progress)
        result = StudyResult.of(arguments, arms, trials.measured)
        with atomic_write(out / TABLE) as file:
            result.table().to_csv(file, index=False)
    return result


def _planned(
    trials: Trials, arms: list[Arm], arguments: Mapping[str, Any], image_size: int, seconds: float | None
) -> list[Arm]:
    """The arms with the steps of each, as the plan in the folder says; it is written where the study begins."""
    begun = read_plan(trials.out, arguments)
    trials.measure_untrained(arms, image_size)  # says what cannot be asked before anything is trained
    if begun is None:
        timed = arms if seconds is None else [arm if arm.reason else trials.timed(arm, seconds) for arm in arms]
        write_plan(trials.out, arguments, timed)
    return read_plan(trials.out, arguments) or []


def _check(
    names: tuple[list[str], list[str]],
    vary: Mapping[str, Sequence[Any]],
    views: float | None,
    seconds: float | None,
    seeds: int,
) -> None:
    if (views is None) == (seconds is None):
        raise ValueError("A study needs a budget: either --views or --seconds.")
    for what, budget in (("views", views), ("seconds", seconds)):
        if budget is not None and not 0 < budget < float("inf"):
            raise ValueError(f"{what} must be above 0 and finite; got {budget}.")
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1; got {seeds}.")
    for what, some in (("methods", names[0]), ("encoders", names[1]), *((f"vary {k}", v) for k, v in vary.items())):
        if not some:
            raise ValueError(f"{what} names nothing; name at least one.")


def _check_batches(arms: Sequence[Arm], train: Images) -> None:
    largest = max(arm.batch_size for arm in arms)
    if len(train) < largest:
        raise ValueError(
            f"There are {len(train)} images to train on, fewer than one batch of {largest}; lower --batch-size."
        )
