"""Fine-tuning with few labels: all weights move, beside training from scratch, a frozen readout, and raw pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from sslviz.data import Images
from sslviz.runs import Checkpoint
from sslviz.runtime.progress import progress_bar
from sslviz.transfer.budget import Budget, Passes, classes_in, halves
from sslviz.transfer.descent import BATCH, Recipe
from sslviz.transfer.label_draws import label_draws, unfilled
from sslviz.transfer.labelled_pool import LabelledPool, labelled_pool
from sslviz.transfer.rate_search import HELD, fits
from sslviz.transfer.tuned_answers import ARMS, FROZEN, SCRATCH, TUNED, FineTune
from sslviz.transfer.tuning_arms import Bench, Plan
from sslviz.views import ViewPolicy

HOW = ("linear", "full", "linear_then_full")
RATES = (2e-4, 1e-3, 5e-3)  # of the head; with a decay of .65 a stem of four layers moves a fifth as fast
SHOTS, STEPS, DRAWS = (5, 20), 300, 3
SCRATCH_RATES = (5e-4, 2e-3, 8e-3)  # weights that know nothing have a longer way to go


def fine_tune(
    checkpoint: Checkpoint,
    images: Images,
    label: str = "label",
    *,
    fit: Images | None = None,
    shots: Sequence[int] = SHOTS,
    how: Literal["linear", "full", "linear_then_full"] = "linear_then_full",
    steps: int = STEPS,
    rates: Sequence[float] = RATES,
    scratch_rates: Sequence[float] = SCRATCH_RATES,
    layer_decay: float = 0.65,
    pull: float = 0.0,
    interpolate: float = 1.0,
    strength: tuple[float, float] | None = None,
    unfreeze: Literal["all", "gradual"] = "all",
    draws: int = DRAWS,
    seed: int = 0,
    progress: bool = True,
) -> FineTune:
    """What does it give when all its weights may move, with few labels?

    From a pool of labelled pictures k of each class are drawn, several times.  Each draw trains a copy of the encoder with
    a linear head, and the network is scored on `images`.  Neither the checkpoint nor its file is changed.

    - fit: the pool; without it, a stratified half of `images`, and the other half is scored.  Images that belong together
      (`images.grouped_by`) stay on one side, and a draw labels one of them at most
    - shots: the numbers k.  One that the smallest class cannot fill is left out, as in `low_label`; so are classes that
      cannot fill the smallest.  Both are counted in `left_out`
    - how: "linear_then_full" fits the head to the frozen encoder first and then moves all weights from there (arXiv
      2202.10054); "full" begins with a head of zeros; "linear" moves the head alone
    - steps: of AdamW, the same for every network that is trained here, in batches of up to 32 pictures
    - rates, scratch_rates: learning rates to choose from, for this encoder and for the one from scratch
    - layer_decay: each layer moves this many times as fast as the next one nearer to the head
    - pull: strength a of a pull back to the encoder's own weights, a/2 times the squared distance (arXiv 1802.01483)
    - interpolate: share of the way from the weights at the start to the trained ones that is scored; 1 is the whole way,
      0.5 lies halfway (arXiv 2109.01903), and needs "linear_then_full"
    - strength: how strong random crops and colours are at the beginning and at the end, as in `pretrain`; None: none
    - unfreeze: "gradual" moves the head alone first, and one layer more in each phase (arXiv 1801.06146)

    Controls, on the same draws and pictures:

    - scratch: the same network and recipe from random weights, with as many steps and as many rates to choose from.
      Its batch normalisation follows its own pictures, and no layer is slowed down
    - frozen: the linear readout of `low_label` on the encoder as it is, which is also where "linear_then_full" begins;
      untrained: that of the encoder before training; pixels: that of the pixels
    - chance

    The rate is chosen for each draw, on a fifth of its labelled pictures that are held back, and never on scored ones.
    Then all of them are trained on.  With one label a class there is nothing to choose by, and the middle rate is taken.
    While the encoder is fine-tuned, its batch normalisation keeps the statistics of the pretraining.

    Scores are accuracies, classes counted alike, 0 to 1, and their paired differences, with 95 % intervals over draws and
    images.  Each draw and number of labels takes eight fits: two networks, three rates and the final one of each.  A fit of
    `conv_nano` takes ten seconds of one core, one of `vit_nano` a hundred.  `worth`, `sslviz transfer` and the app say how long
    that is here, and ask for less where it is more than a quarter of an hour.

    ValueError for clips, for fewer than two classes with enough pictures, and for arguments that make no sense.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("example", 0, {"name": "conv_nano"}, path=None, seed=1)
        >>> few = {"shots": [2], "steps": 2, "draws": 2, "rates": [1e-3], "scratch_rates": [1e-3], "progress": False}
        >>> sorted(sslviz.fine_tune(checkpoint, sslviz.shapes(n=40), **few).curve("frozen"))
        [2]

    Caveat: With few labels the draw decides as much as the method.  A longer or better tuned training from scratch may
    close the gap: the gain is that at equal steps and an equal search.
    """
    _check(shots, how, steps, (rates, scratch_rates), layer_decay, pull, interpolate, strength, unfreeze)
    pool, labelled, left_out = _drawn(images, fit, label, shots, draws, seed)
    shots = [*labelled]
    tuned = Recipe(steps, layer_decay, pull, gradual=unfreeze == "gradual"), tuple(rates), interpolate
    scratch = Recipe(steps, moving_statistics=True), tuple(scratch_rates), 1.0
    plan: Plan = {SCRATCH: scratch} if how == "linear" else {TUNED: tuned, SCRATCH: scratch}
    total = sum(steps * fits(of_arm[1], k) * draws for of_arm in plan.values() for k in shots)
    with progress_bar(f"fine-tuning {checkpoint.run}", total, "steps", shown=progress) as advance:
        bench = Bench(
            checkpoint, pool, labelled, plan, blank=how == "full", strength=strength, seed=seed, advance=advance
        )
        predicted = bench.read()
        learned = {arm: bench.learn(arm) for arm in plan}
    predicted |= {TUNED: predicted[FROZEN]} | {arm: answers for arm, (answers, _) in learned.items()}
    return FineTune(
        run=checkpoint.run,
        label=label,
        classes=pool.classes,
        ids=pool.scored.ids,
        truth=pool.truth,
        shots=np.array(shots),
        n_labels=np.array([[len(rows) for rows in labelled[k]] for k in shots]),
        arms=list(ARMS),
        predicted=np.array([predicted[arm] for arm in ARMS], np.int16),
        rates={arm: rates for arm, (_, rates) in learned.items()},
        steps=steps,
        how=how,
        layer_decay=layer_decay,
        pull=pull,
        interpolate=interpolate,
        unfreeze=unfreeze,
        strength=[*(strength or ())],
        left_out=left_out,
        seed=seed,
        **pool.pictures,
    )


def _drawn(
    images: Images, fit: Images | None, label: str, shots: Sequence[int], draws: int, seed: int
) -> tuple[LabelledPool, dict[int, np.ndarray], dict[str, int]]:
    """What is scored and labelled, {labels a class: its rows of the pool, (draws, rows)}, and what was left out."""
    shots = sorted({int(k) for k in shots})
    pool = labelled_pool(images, fit, label, shots[0], seed)
    labelled = label_draws(pool.codes, shots, draws, seed, pool.pool.units)
    left_out = pool.left_out | unfilled(pool.codes, pool.pool.units, shots, [*labelled], pool.classes, len(pool.truth))
    drawn = np.unique(labelled[max(labelled)])  # fewer labels are always among those of the same draw
    return pool.of(drawn), {k: np.searchsorted(drawn, rows) for k, rows in labelled.items()}, left_out


def _check(
    shots: Sequence[int],
    how: str,
    steps: int,
    rates: Sequence[Sequence[float]],
    layer_decay: float,
    pull: float,
    interpolate: float,
    strength: tuple[float, float] | None,
    unfreeze: str,
) -> None:
    """ValueError, in one sentence, for arguments that make no sense."""
    if not len(shots) or any(k != int(k) or k < 1 for k in shots):
        raise ValueError(
            f"Shots are whole numbers of labels a class, each at least 1, such as (5, 20); got {[*shots]}."
        )
    if how not in HOW:
        raise ValueError(f"There is no way {how!r} to fine-tune; the ways are: {', '.join(HOW)}.")
    if unfreeze not in ("all", "gradual"):
        raise ValueError(f'unfreeze is "all" or "gradual"; got {unfreeze!r}.')
    if steps < 1:
        raise ValueError(f"Fine-tuning takes at least one step; got steps={steps}.")
    if not 0 < layer_decay <= 1:
        raise ValueError(f"layer_decay is a factor above 0 and at most 1, which slows no layer; got {layer_decay}.")
    if not 0 <= pull < math.inf:
        raise ValueError(f"pull is a strength of at least 0, which does not pull; got {pull}.")
    if any(not len(some) or not all(0 <= rate < math.inf for rate in some) for some in rates):
        raise ValueError(f"rates and scratch_rates are learning rates of at least 0, one or more of each; got {rates}.")
    if how != "linear" and len(rates[0]) != len(rates[1]):
        raise ValueError(
            f"rates and scratch_rates are equally many, so that both may search alike; got {len(rates[0])} and {len(rates[1])}."
        )
    if not 0 < interpolate <= 1:
        raise ValueError(f"interpolate is a share above 0 and at most 1, the whole way; got {interpolate}.")
    if interpolate != 1 and how != "linear_then_full":
        raise ValueError(
            f'interpolate={interpolate} needs a head that fits both ends, which only "linear_then_full" gives; got how={how!r}.'
        )
    if strength is not None:
        ViewPolicy(strength=(strength[0], strength[1]))  # which says what is wrong with it


def _passes(
    checkpoint: Checkpoint,
    images: Images,
    label: str = "label",
    *,
    fit: Images | None = None,
    shots: Sequence[int] = SHOTS,
    steps: int = STEPS,
    rates: Sequence[float] = RATES,
    draws: int = DRAWS,
    **others: object,
) -> Passes:
    """What the defaults, with these in their place, put through the encoder: two networks, and a search of rates for each."""
    classes, (scored, pool) = classes_in(images, label), halves(images, fit)
    shown = {k: min(BATCH, classes * k) for k in shots}  # in a step, where all that is labelled is fitted on
    searched = {k: (fits(rates, k) - 1) * min(BATCH, classes * (k - max(1, k // HELD))) for k in shots}
    trained = 2 * draws * steps * (sum(shown.values()) + sum(searched.values()))  # the encoder, and one from scratch
    return Passes(2 * (min(pool, draws * classes * max(shots)) + scored) + 2 * draws * len(shots) * scored, trained)


_FEW = {"draws": 2}
_UNSEARCHED = _FEW | {"rates": RATES[1:2], "scratch_rates": SCRATCH_RATES[1:2]}
BUDGET = Budget(_passes, (_FEW, _UNSEARCHED, _UNSEARCHED | {"steps": 100}, _UNSEARCHED | {"steps": 40}))
