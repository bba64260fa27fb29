"""Correspondence: the result of `correspondence`, which points were found again in moved pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sslviz.diagnostics.result import OfRun
from sslviz.explanations.mean_interval import FEWEST_IMAGES, mean_draws
from sslviz.statistics import Score, percentile_interval


@dataclass(frozen=True, eq=False)
class Correspondence(OfRun):
    """Result of `correspondence`, of n pictures that were moved in t ways.

    - run: the run it comes from
    - layer: whose tokens were compared; "last" is the grid that is pooled
    - grid: rows and columns of patches
    - moves: how pictures were moved, (t,); "given" where pairs of points were given
    - ids: of the pictures, (n,)
    - share: of its points that were found again, (t, n)
    - ceiling_share: the same, where the nearest patch is always found, (t, n)
    - control_share: the same of controls, {control: (t, n)}
    - asked: how many points there are in each, int (t, n)
    - shown: pairs that the figure shows, the worst first: an index into `ids` and one into `moves`, int (k, 2)
    - pictures, moved: of these, uint8 (k, h, w, 3)
    - point_of: the shown pair of each of their m points, (m,)
    - before, after: where these lie in the first picture, and truly in the second, in pixels (m, 2)
    - found, untrained: where they were found, and are by the encoder untrained, (m, 2)
    - right: which were found, bool (m,)
    - size, moved_size: height and width in pixels of the first pictures, and of the others
    - left_out: {reason: images}
    - seed: of moves and intervals
    - precision: in which the encoder computed the tokens
    """

    run: str
    layer: str
    grid: tuple[int, int]
    moves: list[str]
    ids: np.ndarray
    share: np.ndarray
    ceiling_share: np.ndarray
    control_share: dict[str, np.ndarray]
    asked: np.ndarray
    shown: np.ndarray
    pictures: np.ndarray
    moved: np.ndarray
    point_of: np.ndarray
    before: np.ndarray
    after: np.ndarray
    found: np.ndarray
    untrained: np.ndarray
    right: np.ndarray
    size: tuple[int, int]
    moved_size: tuple[int, int]
    left_out: dict[str, int] = field(default_factory=dict)
    seed: int = 0
    precision: str = "fp32"

    @property
    def ceiling(self) -> float:
        """The score where the nearest patch is always found."""
        return float(self.ceiling_share.mean())

    def per_image(self) -> dict[str, np.ndarray]:
        """The share of its points that were found again, of each picture, for pairing two checkpoints."""
        each = {f"pck {name}": share for name, share in zip(self.moves, self.share, strict=True)}
        return {"pck": self.share.mean(0)} | (each if len(each) > 1 else {})

    def scores(self) -> dict[str, Score]:
        """Are parts of a picture known again?

        - pck: share of points whose most similar patch lies within a tenth of their object's longer side; the mean over
          pictures
        - of_ceiling: the same as a share of what this grid could show, if the nearest patch were always found
        - pck MOVE: of each move by itself

        Bootstrap intervals over pictures, from 8 on.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        rows = {"pck": slice(None)} | {f"pck {name}": slice(i, i + 1) for i, name in enumerate(self.moves)}
        rows = rows if len(self.moves) > 1 else {"pck": slice(None)}
        scores = {name: self._score(self.share[at], at) for name, at in rows.items()}
        ceiling, controls = self.ceiling, scores["pck"].controls
        if not ceiling:
            reason = "patches are too coarse: not even the nearest one is right"
            return scores | {"of_ceiling": Score.unknown(reason, dict.fromkeys(controls, 0.0), True)}
        low = high = None
        if len(self.ids) >= FEWEST_IMAGES:
            own, best = mean_draws(np.stack([self.share.mean(0), self.ceiling_share.mean(0)]), self.seed).T
            low, high = percentile_interval(own[best > 0] / best[best > 0])
        relative = {name: value / ceiling for name, value in controls.items()}
        return scores | {"of_ceiling": Score(scores["pck"].value / ceiling, low, high, relative)}

    def _score(self, share: np.ndarray, rows: slice) -> Score:
        controls = {name: float(each[rows].mean()) for name, each in self.control_share.items()}
        of_pictures = share.mean(0)
        low, high = None, None
        if len(of_pictures) >= FEWEST_IMAGES:
            low, high = percentile_interval(mean_draws(of_pictures, self.seed))
        return Score(float(of_pictures.mean()), low, high, controls)
