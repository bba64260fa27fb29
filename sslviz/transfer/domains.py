"""Domains: what a readout fitted on some domains reads in one that it has never met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.diagnostics.probes.control_features import ControlFeatures, aligned_controls
from sslviz.diagnostics.result import Fitted, pictures_of
from sslviz.features import Features
from sslviz.features.columns import scored_and_fitted
from sslviz.runtime.threads import one_thread
from sslviz.statistics import Score, balanced_intervals, balanced_mean
from sslviz.transfer.left_out_domains import Plan, left_out, met_elsewhere

SHUFFLED, HONEST = "domains shuffled", "chosen without the domain left out"


@dataclass(frozen=True, eq=False)
class Domains(Fitted):
    """Result of `domains`, of n scored images of c classes in g domains.

    - label, attribute: the column that is read, and that of the domains
    - classes, domain_names: their names, (c,) and (g,)
    - ids: the scored images, (n,)
    - truth, domain: index into `classes` and `domain_names`, (n,)
    - correct: whether a head reads an image that was fitted on the other domains alone, (n,) bool
    - in_domain_correct: whether one reads it that was fitted on images of its own domain too, (n,) bool
    - oracle_correct: as `correct`, with the penalty chosen on the very images that are scored, (n,) bool
    - shuffled_correct: (2, n) bool, as `correct` and `in_domain_correct` where domains mean nothing
    - control_correct: the same two of each control, {control: (2, n) bool}
    - penalties: chosen for each domain without it, and by the oracle, (2, g)
    - left_out: {reason: images} that were not looked at
    - seed: of halves, fits and resamples
    """

    label: str
    attribute: str
    classes: np.ndarray
    domain_names: np.ndarray
    ids: np.ndarray
    truth: np.ndarray
    domain: np.ndarray
    correct: np.ndarray
    in_domain_correct: np.ndarray
    oracle_correct: np.ndarray
    shuffled_correct: np.ndarray
    control_correct: dict[str, np.ndarray]
    penalties: np.ndarray
    left_out: dict[str, int]
    seed: int

    def groups(self) -> np.ndarray:
        """The domain and class that each image counts for: (n,)."""
        return self.domain * len(self.classes) + self.truth

    def per_image(self) -> dict[str, np.ndarray]:
        """What each image adds to the accuracy in domains left out, and to what it loses by that, {score: (n,)}."""
        right = self.correct.astype(float)
        return {"accuracy": right, "gap": self.in_domain_correct - right, "oracle": self.oracle_correct - right}

    @property
    def chance(self) -> float:
        """The accuracy of a reader who never looks."""
        return float(np.mean([1 / len(np.unique(self.truth[self.domain == g])) for g in np.unique(self.domain)]))

    def levels(self) -> dict[str, dict[str, Score]]:
        """{domain: {"left_out", "in_domain"}}: the accuracy there by a head that never met the domain, and by one that did."""
        levels = {}
        for g, name in enumerate(self.domain_names):
            rows = self.domain == g
            levels[str(name)] = {
                what: self._score(
                    right[rows],
                    self.truth[rows],
                    {k: c[i][rows] for k, c in self.control_correct.items()},
                    units=None if self.units is None else self.units[rows],
                )
                for i, (what, right) in enumerate((("left_out", self.correct), ("in_domain", self.in_domain_correct)))
            }
        return levels

    def scores(self) -> dict[str, Score]:
        """What is read in a domain that was left out, what that costs, and what an oracle would claim.

        - accuracy: the mean over domains left out, every class of each counting the same
        - gap: the accuracy of a head that was fitted on images of the domain too, less that, paired over the same images
        - worst: the least accuracy of any domain left out
        - oracle: what the accuracy gains if the penalty is chosen on the images that are scored: what not to report

        Intervals are bootstraps over images; none where a class of a domain has fewer than ten.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        groups, values = self.groups(), self.per_image()
        both = {SHUFFLED: self.shuffled_correct, **self.control_correct}
        controls = {name: right[0] for name, right in both.items() if name != SHUFFLED}
        scores = {"accuracy": self._score(values["accuracy"], groups, controls, units=self.units)}
        gaps = {name: right[1].astype(float) - right[0] for name, right in both.items()}
        scores["gap"] = self._score(values["gap"], groups, gaps, None, self.units)
        least = {name: min(self._by_domain(right[0])) for name, right in both.items()}
        worst = min(self._by_domain(self.correct))
        scores["worst"] = Score(worst, None, None, {"chance": self.chance} | least)
        scores["oracle"] = self._score(values["oracle"], groups, {}, None, self.units)
        return scores

    def _by_domain(self, right: np.ndarray) -> list[float]:
        domains = (self.domain == g for g in range(len(self.domain_names)))
        return [balanced_mean(right[rows].astype(float), self.truth[rows]) for rows in domains if rows.any()]

    def _score(
        self,
        values: np.ndarray,
        groups: np.ndarray,
        controls: Mapping[str, np.ndarray],
        higher_is_better: bool | None = True,
        units: np.ndarray | None = None,
    ) -> Score:
        values = values.astype(float)
        beside = {"chance": self.chance} if higher_is_better else {} if controls else {HONEST: 0.0}
        beside |= {name: balanced_mean(right, groups) for name, right in controls.items()}
        [(low, high)] = balanced_intervals(values[None], groups, seed=self.seed, units=units)
        return Score(balanced_mean(values, groups), low, high, beside, higher_is_better)


@one_thread
def domains(
    features: Features,
    label: str = "label",
    domain: str = "domain",
    *,
    fit: Features | None = None,
    control_features: ControlFeatures | None = None,
    seed: int = 0,
) -> Domains:
    """Does a readout hold in a domain that it has never met?

    Every value of the column `domain` (a hospital, a camera, a style) is left out in turn.  A linear readout as that of
    `linear_probe` is fitted on the others and scored on the one left out.  Its penalty is the best of three in the others
    alone: each of them is left out in turn once more.  Of two domains there is one other, and a fifth of its images chooses.

    Images are those of `fit`, and those of `features` are scored; without `fit`, halves of each pair of the columns.  What
    shares the `group` of the features stays on one side, also where a penalty is chosen.

    Beside it stands a readout that was fitted on images of all domains.  Another one has its penalty chosen on the
    images that are scored, and reads better than anybody can who does not know the answers (arXiv 2007.01434).

    Controls: chance; domains shuffled within each class, so that leaving one out costs nothing but images; and the same of
    the `control_features` {name: Features, or (Features, fit Features)}.  Classes that no other domain shows are left out.
    ValueError for a column that is wanting or has one value, and where no class is in two domains.

    Example:
        >>> import numpy as np, sslviz
        >>> table = {"label": np.arange(300) % 2, "camera": np.repeat(["a", "b", "c"], 100)}
        >>> rng = np.random.default_rng(0)
        >>> x = np.stack([6.0 * table["label"], 1.0 * (table["camera"] == "c")], axis=1) + rng.normal(size=(300, 2))
        >>> features = sslviz.Features.from_array(x, table=table)
        >>> bool(sslviz.domains(features, "label", "camera").scores()["accuracy"].low > 0.9)
        True

    Caveat: What holds in the domains left out here need not hold in another, least of all where they are few.  With the
    oracle's choice of penalty it would not even be true of these.
    """
    scored, fitted = scored_and_fitted(features, fit, label, domain, seed=seed)
    scored, fitted, not_looked_at = met_elsewhere(scored, fitted, label, domain)
    plan = Plan.of(scored, fitted, label, domain)
    own = left_out(plan, scored.x, fitted.x, seed)
    shuffled = left_out(plan.shuffled(seed), scored.x, fitted.x, seed)
    control_correct = {
        name: left_out(plan, there.x, bank.x, seed).both
        for name, there, bank in aligned_controls(control_features, scored, fitted)
    }
    return Domains(
        label=label,
        attribute=domain,
        classes=plan.classes,
        domain_names=plan.names,
        ids=scored.ids,
        truth=plan.truth,
        domain=plan.domain,
        correct=own.both[0],
        in_domain_correct=own.both[1],
        oracle_correct=own.oracle,
        shuffled_correct=shuffled.both,
        control_correct=control_correct,
        penalties=own.penalties,
        left_out=not_looked_at,
        seed=seed,
        **pictures_of(scored, fitted),
    )
