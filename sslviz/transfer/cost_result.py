"""Cost: the result of `cost`, what was counted and timed, beside its controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from sslviz.diagnostics.result import OfRun
from sslviz.explanations.mean_interval import mean_interval
from sslviz.statistics import Score, median_interval
from sslviz.transfer.precision_variants import LOWER

NO_ENCODER, LINEAR, OTHER = "no encoder", "linear map of pixels", "another picture"  # the controls


@dataclass(frozen=True, eq=False)
class Cost(OfRun):
    """What an encoder costs, in three precisions where they can be had.

    - run: the run it comes from
    - encoder, image_size, dim: its name, the side of its pictures in pixels, the length of its features
    - parameters: numbers that training moves
    - macs: multiply-accumulates for one picture
    - weight_bytes: {precision: bytes of the weights}
    - batch_sizes: pictures in a pass, from few to many
    - seconds: {precision, or "no encoder": seconds of a pass over a batch, (batch sizes, rounds)}
    - memory_gb: {precision, or "no encoder": peak memory of a pass over the largest batch}
    - ids: of the pictures whose features were compared (n,)
    - similarity: {precision below fp32: cosine of each picture's features with those in fp32, (n,)}; both less the mean of
      the features in fp32
    - other_similarity: {precision: the same with the fp32 features of another picture, (n,)}
    - not_measured: {precision: why there is none}
    - machine: {what: text}, what the times belong to
    - seed: of intervals, and of which pictures are compared
    """

    run: str
    encoder: str
    image_size: int
    dim: int
    parameters: int
    macs: int
    weight_bytes: Mapping[str, int]
    batch_sizes: Sequence[int]
    seconds: Mapping[str, np.ndarray]
    memory_gb: Mapping[str, float]
    ids: np.ndarray
    similarity: Mapping[str, np.ndarray]
    other_similarity: Mapping[str, np.ndarray]
    not_measured: Mapping[str, str]
    machine: Mapping[str, str]
    seed: int = 0

    @property
    def linear_map(self) -> dict[str, int]:
        """Parameters, MACs and bytes of one linear map from pixels to features of the same length."""
        products = 3 * self.image_size**2 * self.dim
        return {"parameters": products + self.dim, "macs": products, "bytes": 4 * (products + self.dim)}

    def quartiles(self, precision: str, batch_size: int) -> tuple[float, float, float]:
        """Lower quartile, median and upper quartile of the seconds of a pass."""
        of_batch = np.asarray(self.seconds[precision])[list(self.batch_sizes).index(batch_size)]
        low, middle, high = np.quantile(of_batch, [0.25, 0.5, 0.75])
        return float(low), float(middle), float(high)

    def per_image(self) -> dict[str, np.ndarray]:
        """The cosine of each picture, for pairing two checkpoints over the same pictures."""
        return {f"cosine {name}": values for name, values in self.similarity.items()}

    def scores(self) -> dict[str, Score]:
        """What does it cost, and what do fewer bits save?

        - latency_ms: milliseconds from pixels to features, at the smallest batch; median of the rounds
        - images_per_second: at the largest batch; median of the rounds
        - million_macs: multiply-accumulates for one picture, in millions
        - parameters, megabytes: of the weights
        - memory_gb: peak memory at the largest batch; on a CPU that of the whole process
        - cosine bf16, cosine int8: of features in that precision and in fp32, both less the mean feature, in [-1, 1]; mean
          over pictures

        "latency_ms bf16" and the like stand beside fp32.  Intervals of times are of the median over rounds, from six on.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        linear, size = self.linear_map, {name: n / 1e6 for name, n in self.weight_bytes.items()}
        scores = self._times("fp32")
        scores["million_macs"] = _less_is_better(self.macs / 1e6, {LINEAR: linear["macs"] / 1e6})
        scores["parameters"] = _less_is_better(self.parameters, {LINEAR: linear["parameters"]})
        scores["megabytes"] = _less_is_better(size["fp32"], {LINEAR: linear["bytes"] / 1e6})
        memory = {NO_ENCODER: self.memory_gb[NO_ENCODER]}
        scores["memory_gb"] = Score(
            self.memory_gb["fp32"], controls=memory, higher_is_better=False, control_is="ceiling"
        )
        for name in LOWER:
            scores |= {f"{key} {name}": score for key, score in self._times(name).items()}
            scores[f"megabytes {name}"] = _less_is_better(size[name], {"fp32": size["fp32"]})
            scores[f"cosine {name}"] = self._cosine(name)
        return scores

    def _times(self, precision: str) -> dict[str, Score]:
        """Latency and pace: of fp32 beside no encoder at all, which nothing can pass, of others beside fp32."""
        beside = NO_ENCODER if precision == "fp32" else "fp32"
        scores = {}
        for name, better in (("latency_ms", False), ("images_per_second", True)):
            control = {beside: float(np.median(self._measured(name, beside)))}
            if precision in self.not_measured:
                scores[name] = Score.unknown(self._why_not(precision), control, better)
                continue
            values = self._measured(name, precision)
            low, high = median_interval(values)
            kind: Literal["ceiling", "floor"] = "ceiling" if beside == NO_ENCODER else "floor"
            scores[name] = Score(float(np.median(values)), low, high, control, better, kind)
        return scores

    def _measured(self, name: str, precision: str) -> np.ndarray:
        """Milliseconds of the smallest batch, or pictures a second of the largest, in each round."""
        seconds = np.asarray(self.seconds[precision])
        return 1000 * seconds[0] if name == "latency_ms" else self.batch_sizes[-1] / seconds[-1]

    def _cosine(self, precision: str) -> Score:
        if precision in self.not_measured:
            return Score.unknown(self._why_not(precision), {OTHER: self._other_pictures()}, True)
        values, others = self.similarity[precision], self.other_similarity[precision]
        low, high = mean_interval(values, self.seed)
        return Score(float(values.mean()), low, high, {OTHER: float(others.mean())})

    def _other_pictures(self) -> float:
        return float(self.other_similarity["fp32"].mean())

    def _why_not(self, precision: str) -> str:
        return f"{precision} was not measured: {self.not_measured[precision]}"


def _less_is_better(value: float, controls: Mapping[str, float]) -> Score:
    return Score(float(value), controls=controls, higher_is_better=False)
