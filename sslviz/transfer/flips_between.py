"""Flips between pairs: whether the decision of a linear head changes from one picture to its changed twin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from sslviz.diagnostics.probes.linear import linear_weights
from sslviz.diagnostics.probes.probe import class_codes, refuse_seen_images, refuse_unseen
from sslviz.diagnostics.result import pictures_of
from sslviz.features import Features
from sslviz.features.class_names import class_text
from sslviz.features.columns import apart, halves
from sslviz.transfer.flip_rates import Flips, outcome

CHANGED = "changed"  # what a single set of changed pictures is called


class Pairs(NamedTuple):
    """Features of pictures before and after they were changed, and of those to fit on (None: one half of `before`)."""

    before: Features
    after: Mapping[str, Features]
    fit: Features | None = None


def flips_between(
    before: Features,
    after: Features | Mapping[str, Features],
    label: str = "label",
    *,
    fit: Features | None = None,
    null: str = "",
    control_features: Mapping[str, Pairs] | None = None,
    seed: int = 0,
) -> Flips:
    """Does changing one thing about a picture change the decision?

    For pairs of pictures that somebody made: another background, another colour, a part removed.  A linear head for the
    label is fitted as in `linear_probe` and reads each picture before and after.  Interventions change one thing alone,
    so that a changed decision has one cause (arXiv 2106.00545).

    - before: features of n pictures, with the label in the table
    - after: {what was changed: features of the same pictures, by id}; where the table has the label, it is the new one
    - fit: features to fit the head on; without them a stratified half of `before`, and the other half is scored
    - null: the key of `after` whose change means nothing, such as other noise or another JPEG quality
    - control_features: {control: Pairs}, the same pictures without or with another encoder

    Scores and controls as `Flips.scores` and `flips` say.  ValueError for ids that differ, for a change that alters the
    label of some pictures only, and as `linear_probe`.

    Example:
        >>> import numpy as np, sslviz
        >>> label = np.arange(80) % 2
        >>> x = np.eye(2)[label]
        >>> before = sslviz.Features.from_array(x, table={"label": label})
        >>> after = {"lamp": sslviz.Features.from_array(x), "hat": sslviz.Features.from_array(1 - x)}
        >>> result = sslviz.flips_between(before, after)
        >>> {name: score.value for name, score in result.scores().items()}
        {'flipped by lamp': 0.0, 'flipped by hat': 1.0, 'accuracy': 1.0}

    Caveat: Whether one thing alone was changed, only who made the pairs can know: a cut-out leaves edges, which flip
    decisions too.
    """
    given = {CHANGED: after} if isinstance(after, Features) else dict(after)
    if not given or null not in ("", *given):
        raise ValueError(f"`null` is one of the changes, {', '.join(given) or 'of which there is none'}; got {null!r}.")
    scored, fitted = halves(before, label, seed=seed) if fit is None else (before, apart(before, fit))
    refuse_seen_images(scored, fitted)
    classes, truth, _ = class_codes(scored, fitted, label)
    changed = {name: _same_pictures(scored, one, name) for name, one in given.items()}
    new_truth = np.stack([_new_truth(one, name, label, classes, truth) for name, one in changed.items()])
    own = read_pairs(Pairs(scored, changed, fitted), label, seed)
    factors = [name for name in given if name != null]
    rows = [list(given).index(name) for name in factors]
    outcomes, correct = {}, {}
    for name, control in (control_features or {}).items():
        spaces = {key: _same_pictures(scored, one, f"{name}, {key}") for key, one in control.after.items()}
        bank = (control.before if control.fit is None else control.fit).select(list(fitted.ids))
        read = read_pairs(Pairs(control.before.select(list(scored.ids)), spaces, bank), label, seed)
        found = [outcome(read[""], read[f], truth, new_truth[i]) for f, i in zip(factors, rows, strict=True)]
        outcomes[name], correct[name] = np.array(found, dtype=float), read[""] == truth
    return Flips(
        label=label,
        classes=classes,
        factors=factors,
        null=null,
        ids=scored.ids,
        truth=truth,
        predicted=own[""],
        new_truth=new_truth[rows],
        new_predicted=np.array([own[f] for f in factors]).reshape(len(factors), len(truth)),
        null_predicted=own[null] if null else np.zeros(0, int),
        control_outcome=outcomes,
        control_correct=correct,
        n_fit=len(fitted),
        seed=seed,
        **pictures_of(scored, fitted),
    )


def read_pairs(pairs: Pairs, label: str, seed: int) -> dict[str, np.ndarray]:
    """The classes that a head fitted to `pairs.fit` reads before ("") and after each change: {change: codes (n,)}."""
    assert pairs.fit is not None
    _, weights, bias = linear_weights(pairs.fit, label, seed=seed)
    return {name: (one.x @ weights.T + bias).argmax(1) for name, one in {"": pairs.before, **pairs.after}.items()}


def _same_pictures(scored: Features, one: Features, name: str) -> Features:
    """The features of the pictures scored; ValueError, which names the change, where one is missing."""
    if missing := set(scored.ids) - set(one.ids):
        raise ValueError(
            f"Pairs are matched by id, but {len(missing)} of {len(scored)} pictures are missing after {name!r}, the first "
            f"of them {min(missing)!r}; give the changed pictures the ids of the original ones."
        )
    return one.select(list(scored.ids))


def _new_truth(one: Features, name: str, label: str, classes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The classes after a change, (n,); ValueError where some pictures keep theirs and others do not."""
    if label not in one.table:
        return truth
    index = {str(name): code for code, name in enumerate(classes)}
    texts = [class_text(value) for value in one.column(label)]
    refuse_unseen(sorted(set(texts) - set(index)), label)
    new = np.array([index[text] for text in texts])
    if 0 < (moved := int((new != truth).sum())) < len(truth):
        raise ValueError(
            f"Changing {name!r} alters the {label!r} of {moved} of {len(truth)} pictures; give those as a change of their "
            "own, so that it is known which decisions should follow."
        )
    return new
