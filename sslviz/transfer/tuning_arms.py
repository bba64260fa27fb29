"""The arms of a comparison: what each of them answers after it was shown the same few labelled pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial

import numpy as np

from sslviz.diagnostics.probes.standardization import Standardization, standardization
from sslviz.features.embed import embed_pixels, to_device
from sslviz.features.pixel_controls import raw_pixels
from sslviz.runs import Checkpoint
from sslviz.runtime.threads import one_thread
from sslviz.transfer.descent import Recipe
from sslviz.transfer.few_label_readouts import Readings, few_label_readings
from sslviz.transfer.labelled_pool import LabelledPool
from sslviz.transfer.rate_search import choose_rate
from sslviz.transfer.tuned_answers import FROZEN, PIXELS, SCRATCH, TUNED, UNTRAINED
from sslviz.transfer.tuning import Head, Tuning, blank_head, linear_head, logits_of

Plan = Mapping[str, tuple[Recipe, Sequence[float], float]]  # {arm that descends: recipe, rates, share of the way}


class Bench:
    """A checkpoint, the pictures that it is asked about, and draws of pictures that are labelled.

    - checkpoint: left as it is
    - pool: what is scored, and what labels are drawn from
    - labelled: {labels a class: row numbers of the pool, (draws, rows)}
    - plan: how each arm descends
    - blank: whether the head begins with zeros
    - strength: of random crops and colours; None: pictures as they are
    - advance: called after every step
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        pool: LabelledPool,
        labelled: Mapping[int, np.ndarray],
        plan: Plan,
        *,
        blank: bool,
        strength: tuple[float, float] | None,
        seed: int,
        advance: Callable[..., None],
    ) -> None:
        self.checkpoint, self.pool, self.labelled, self.plan = checkpoint, pool, labelled, plan
        self.blank, self.strength, self.seed, self.advance = blank, strength, seed, advance
        self.encoder = to_device(checkpoint.encoder())
        self.x = embed_pixels(self.encoder, pool.pool.pixels)  # (m, d)

    def read(self) -> dict[str, np.ndarray]:
        """The answers of the arms that only read: {arm: (s, draws, n)}."""
        untrained = partial(embed_pixels, to_device(self._untrained(0).encoder()))
        spaces: dict[str, Readings] = {FROZEN: self._frozen}
        for name, of in {UNTRAINED: lambda one: untrained(one.pixels), PIXELS: lambda one: raw_pixels(one).x}.items():
            spaces[name] = self._readings(of(self.pool.pool), of(self.pool.scored))
        return {name: np.array([*one.predicted.values()]) for name, one in spaces.items()}

    def learn(self, arm: str) -> tuple[np.ndarray, np.ndarray]:
        """The answers of an arm that descends, (s, draws, n), and the rates that its labelled pictures chose, (s, draws)."""
        recipe, choices, share = self.plan[arm]
        cells = []
        for k, draws in self.labelled.items():
            for draw, rows in enumerate(draws):
                advance = partial(self.advance, note=f"{arm}, {k} a class, draw {draw + 1}")
                encoder = self.encoder if arm == TUNED else to_device(self._untrained(draw).encoder())
                tuning = Tuning(encoder, recipe, share, self.strength, advance)
                cells.append(self._learned(partial(self._head, arm, k), tuning, choices, rows, self.seed + draw))
        predicted, rates = zip(*cells, strict=True)
        shape = (len(self.labelled), -1)
        return np.array(predicted).reshape(*shape, len(self.pool.truth)), np.array(rates).reshape(shape)

    def _learned(
        self,
        head: Callable[[np.ndarray], Head],
        tuning: Tuning,
        choices: Sequence[float],
        rows: np.ndarray,
        seed: int,
    ) -> tuple[np.ndarray, float]:
        """What a network answers that was trained on these rows, at the rate that a fifth of them chose."""
        pixels, codes = self.pool.pool.pixels, self.pool.codes

        def logits(rate: float, some: np.ndarray, of: np.ndarray) -> np.ndarray:
            return logits_of(tuning.fit(head(some), pixels[some], codes[some], rate, seed), of)

        rate = choose_rate(
            choices, codes[rows], self.seed, lambda rate, fitted, held: logits(rate, rows[fitted], pixels[rows[held]])
        )
        return logits(rate, rows, self.pool.scored.pixels).argmax(axis=1), rate

    def _head(self, arm: str, k: int, rows: np.ndarray) -> Head:
        """The head at the start: fitted to the frozen encoder, or of zeros."""
        classes, d = len(self.pool.classes), self.x.shape[1]
        if arm == SCRATCH:
            return blank_head(classes, Standardization(np.zeros(d), np.ones(d), np.ones(d)))
        if self.blank:
            return blank_head(classes, self._standard)
        return linear_head(self.x[rows], self.pool.codes[rows], self._standard, self._frozen.penalties[str(k)])

    @cached_property
    def _standard(self) -> Standardization:
        return standardization(self.x)

    @cached_property
    def _frozen(self) -> Readings:
        return self._readings(self.x, embed_pixels(self.encoder, self.pool.scored.pixels))

    @one_thread
    def _readings(self, x: np.ndarray, scored: np.ndarray) -> Readings:
        units = self.pool.pool.units
        return few_label_readings(x, self.pool.codes, scored, self.labelled, "logistic", self.seed, units)

    def _untrained(self, draw: int) -> Checkpoint:
        """The network before training, another one for each draw; never the checkpoint itself, which may be untrained."""
        seed = self.seed + draw
        own = self.checkpoint.path is None and self.checkpoint.seed <= seed
        return self.checkpoint.untrained(seed + own)
