"""Hypothesis: the claim that a result tests, with the numbers by which it may be made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from sslviz.statistics import Score


@dataclass(frozen=True)
class Hypothesis:
    """What a result would claim, and how far it may.

    - statement: the claim, one sentence
    - score: name of the score that measures it
    - p: probability of such a score where nothing is there
    - detectable: the least effect found in 80 of 100 such samples; None where it cannot be told
    - n: scored images
    - examples: ids of images that show it, the most telling first
    """

    statement: str
    score: str
    p: float
    detectable: float | None
    n: int
    examples: Sequence[str] = ()


@runtime_checkable
class Testable(Protocol):
    """A result that tests a hypothesis."""

    def scores(self) -> Mapping[str, Score]:
        """The numbers of the result, by name."""
        ...

    def hypothesis(self) -> Hypothesis | None:
        """The claim it tests; None for a result of this kind that tests none."""
        ...
