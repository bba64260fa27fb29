"""Two domains with the same labels: which images of each are fitted on and scored, and which classes both show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from sslviz.diagnostics.probes.control_features import ControlFeatures, aligned_controls
from sslviz.diagnostics.probes.linear import linear_weights
from sslviz.diagnostics.probes.probe import refuse_seen_images
from sslviz.features import Features
from sslviz.features.class_names import class_texts
from sslviz.features.columns import apart, folds, in_order, place_in_class, refuse_one_sided, stratified_half

NAMED = 3  # classes that a reason names
SCORED, FITTED = 2, 1  # images that a class needs: two are scored, so that half of them is a null; one is fitted on


@dataclass(frozen=True, eq=False)
class Space:
    """What one encoder makes of both domains.

    - scored, fitted: of the source
    - target_scored, target_fitted: halves of the target
    """

    scored: Features
    fitted: Features
    target_scored: Features
    target_fitted: Features

    @property
    def target(self) -> np.ndarray:
        """All rows of the target, (m, d)."""
        return np.concatenate([self.target_scored.x, self.target_fitted.x])


@dataclass(frozen=True, eq=False)
class TwoDomains:
    """Source and target, of the classes that both show.

    - space: the features
    - classes: names of these classes, (c,)
    - left_out: {reason: images}, of both domains
    """

    label: str
    space: Space
    classes: np.ndarray
    left_out: dict[str, int]

    def codes(self, features: Features) -> np.ndarray:
        """The class of each image, (n,), as an index into `classes`."""
        return pd.Index(self.classes).get_indexer(pd.Index(class_texts(features.table[self.label])))

    def controls(
        self, control_features: ControlFeatures | None, target_controls: Mapping[str, Features] | None
    ) -> Iterator[tuple[str, Space]]:
        """(name, space) of each control whose features there are of both domains."""
        of_target = target_controls or {}
        both = {name: x for name, x in (control_features or {}).items() if name in of_target}
        for name, scored, fitted in aligned_controls(both, self.space.scored, self.space.fitted):
            halves = (self.space.target_scored, self.space.target_fitted)
            yield name, Space(scored, fitted, *(_like(of_target[name], half) for half in halves))


@dataclass(frozen=True, eq=False)
class Head:
    """A linear readout of c classes, fitted once.

    - classes: their names, (c,)
    - weights, bias: (c, d) and (c,); the class with the largest w . x + bias is read
    """

    classes: np.ndarray
    weights: np.ndarray
    bias: np.ndarray

    def logits(self, x: np.ndarray) -> np.ndarray:
        """(n, c)."""
        return x @ self.weights.T + self.bias

    def correct(self, x: np.ndarray, truth: np.ndarray, names: np.ndarray) -> np.ndarray:
        """Whether each row is read as the class `names[truth]`, (n,) bool."""
        return self.classes[self.logits(x).argmax(axis=1)] == names[truth]


def fitted_head(fit: Features, label: str, seed: int) -> Head:
    """The linear readout of `linear_probe`, fitted to these images."""
    classes, weights, bias = linear_weights(fit, label, seed=seed)
    if len(classes) == 2:  # two opposite rows say the difference of logits twice
        weights, bias = weights / 2, bias / 2
    return Head(classes, weights, bias)


def two_domains(features: Features, target: Features, label: str, fit: Features | None, seed: int) -> TwoDomains:
    """The images of both domains that can be compared; ValueError, in a sentence, where none can.

    Without `fit` one half of each class of `features` is fitted on; the target is halved in the same way.  Images
    without a value and classes that are not in both domains are left out, and counted.  What belongs together by the
    `group` of `features` stays on one side, in the target too where its table has that column.  Images of the target
    that belong with images of the source fitted on are not scored.
    """
    if features.x.shape[1] != target.x.shape[1]:
        raise ValueError(
            f"The features have {features.x.shape[1]} dimensions and the target's have {target.x.shape[1]}; embed both "
            "with the same encoder."
        )
    target = target.grouped_by(features.group if features.group in target.table else "")
    fit = None if fit is None else apart(features, fit)
    left_out: dict[str, int] = {}
    sides = {"source": features, "target": target, **({} if fit is None else {"images fitted on": fit})}
    for side, images in sides.items():
        given = images.column(label)
        if missing := int(pd.isna(given).sum()):
            left_out[f"no value of {label} in the {side}"] = missing
            sides[side] = images.rows(~pd.isna(given))
    names = _shared(sides, label, left_out)
    kept = {side: _of_classes(images, label, names) for side, images in sides.items()}
    if fit is None:
        scored, fitted = _halves(kept["source"], label, seed)
    else:
        scored, fitted = kept["source"], kept["images fitted on"]
    target_scored, target_fitted = _halves(kept["target"], label, seed)
    refuse_seen_images(target_scored, fitted, which="of the target", instead="name images of another domain")
    target_scored = _not_met(target_scored, fitted, label, left_out)
    return TwoDomains(label, Space(scored, fitted, target_scored, target_fitted), np.array(names), left_out)


def folds_of(
    ids: tuple[np.ndarray, np.ndarray], codes: tuple[np.ndarray, np.ndarray], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """A fold, 0 or 1, for each image of two domains, half of each class (`codes`) in either.

    An id that is in both domains is in the same fold of both.  Random folds of classes of equal size would differ in
    their shares, and always in opposite ways.  A classifier of one fold would then be wrong in the other more often
    than not.
    """
    alone = ~np.isin(ids[1], ids[0])
    names, members = np.concatenate([ids[0], ids[1][alone]]), np.concatenate([codes[0], codes[1][alone]])
    side = np.repeat([0, 1], [len(ids[0]), int(alone.sum())])
    order = np.argsort(names)
    fold = random_halves(np.unique(2 * members + side, return_inverse=True)[1], seed).astype(int)[order]
    return fold[np.searchsorted(names[order], ids[0])], fold[np.searchsorted(names[order], ids[1])]


def random_halves(codes: np.ndarray, seed: int, units: np.ndarray | None = None) -> np.ndarray:
    """True (n,) for one half of each class, the odd image at random on either side; one of `units` (n,) on one side."""
    if units is not None:
        return folds(codes, 2, seed, units) == 0
    odd = np.random.default_rng(seed).integers(0, 2, codes.max() + 1)
    return (place_in_class(codes, seed) + odd[codes]) % 2 == 0


def _shared(sides: Mapping[str, Features], label: str, left_out: dict[str, int]) -> list[str]:
    """The classes with images enough in every domain; the others are counted in `left_out`."""
    counts = {side: class_texts(images.table[label]).value_counts() for side, images in sides.items()}
    # What belongs together lies on one side, so that it counts once towards what each class needs.
    apart = {side: _counted_once(images, label) for side, images in sides.items()}
    halved = len(counts) == 2
    least = {"source": 2 * SCORED if halved else SCORED, "target": SCORED + FITTED, "images fitted on": FITTED}
    everywhere = set.intersection(*(set(n.index) for n in counts.values()))
    enough = {name for name in everywhere if all(n[name] >= least[side] for side, n in apart.items())}
    for side, of_side in counts.items():
        said: set[str] = set()
        for missing in (other for other in counts if other != side):
            lacking = set(of_side.index) - set(counts[missing].index) - said
            _count(of_side, lacking, label, f"not in the {missing}", left_out)
            said |= lacking
        _count(of_side, (set(of_side.index) & everywhere) - enough, label, "too few images in one of the two", left_out)
    if len(enough) < 2:
        shown = "; ".join(f"the {side} has {_listed(in_order(n.index))}" for side, n in counts.items())
        raise ValueError(
            f"Source and target need two classes of {label!r} in common, with {least['source']} images each in the one and "
            f"{least['target']} in the other; {shown}."
        )
    return in_order(enough)


def _count(counts: pd.Series, names: set[str], label: str, why: str, left_out: dict[str, int]) -> None:
    if names:
        reason = f"{label} {_listed(in_order(names))}: {why}"
        left_out[reason] = left_out.get(reason, 0) + int(counts[list(names)].sum())


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:NAMED])) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _of_classes(images: Features, label: str, names: Sequence[str]) -> Features:
    keep = class_texts(images.table[label]).isin(names).to_numpy()
    return images if keep.all() else images.rows(keep)


def _halves(images: Features, label: str, seed: int) -> tuple[Features, Features]:
    """The images scored and those fitted on.  The same table is halved in the same way, whatever the pictures look like.

    So no picture is scored whose twin in the other domain was fitted on.
    """
    half = stratified_half(class_texts(images.table[label]).to_numpy().astype(str), seed, images.units)
    refuse_one_sided(images, label, half)
    return images.rows(~half), images.rows(half)


def _counted_once(images: Features, label: str) -> pd.Series:
    """How many images each class has, those that belong together counted once."""
    texts = class_texts(images.table[label]).reset_index(drop=True)
    return pd.Series(images.unit_names).groupby(texts).nunique()


def _like(control: Features, half: Features) -> Features:
    """The control's features of the same images, kept together as these are."""
    control = control.select(list(half.ids))
    return replace(control, table=half.table, group=half.group) if half.group else control


def _not_met(scored: Features, fitted: Features, label: str, left_out: dict[str, int]) -> Features:
    """The images of the target that belong with none of the source fitted on; the others are counted in `left_out`.

    ValueError where a class has none left.
    """
    met = scored.shares_units_with(fitted)
    if not met.any():
        return scored
    left_out[f"of the target, their {scored.group} is fitted on in the source"] = int(met.sum())
    texts = class_texts(scored.table[label]).to_numpy().astype(str)
    if lost := sorted({*texts} - {*texts[~met]}):
        raise ValueError(
            f"All images of the target with {label} {_listed(lost)} share their {scored.group!r} with images of the source "
            "that are fitted on; give other images as the target, or as fit."
        )
    return scored.rows(~met)
