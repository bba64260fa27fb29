"""The axis of an argument: numbers, on a logarithmic scale where they span much, or texts beside each other."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

Argument = float | str | None

LOGARITHMIC = 20  # times that the largest argument is the smallest, from which on the axis is logarithmic
FEW_PLACES = (
    12  # different arguments beside which dots are set apart, so that those of one place do not hide each other
)
ONE_LINE = 30  # characters below a narrow plot
APART = 0.5  # of the distance between two places, over which the dots of one are spread


@dataclass(frozen=True)
class ArgumentAxis:
    """Where each argument lies.

    - texts: the places of texts, in their order; empty where all arguments are numbers
    - logarithmic: whether powers of ten are at equal distances
    - gap: the least distance between two places, in the axis' own units (decades where it is logarithmic); 0: too many
    """

    texts: tuple[str, ...]
    logarithmic: bool
    gap: float

    @classmethod
    def of(cls, arguments: Iterable[Argument]) -> ArgumentAxis:
        """The axis on which all of these fit."""
        known = set(arguments)
        numbers = sorted(one for one in known if isinstance(one, int | float) and not isinstance(one, bool))
        if len(numbers) < len(known):
            return cls(tuple(sorted(map(str, known))), False, 1.0)
        logarithmic = bool(numbers) and numbers[0] > 0 and numbers[-1] >= LOGARITHMIC * numbers[0]
        places = [math.log10(one) for one in numbers] if logarithmic else numbers
        gaps = [b - a for a, b in zip(places, places[1:], strict=False)]
        return cls((), logarithmic, min(gaps, default=1.0) if len(places) <= FEW_PLACES else 0.0)

    def at(self, argument: Argument, shift: float = 0.0) -> float:
        """The place of an argument, moved by a share of the least distance between two."""
        if self.texts:
            return self.texts.index(str(argument)) + shift
        assert argument is not None  # or else all places were texts
        number = float(argument)
        return number * 10 ** (shift * self.gap) if self.logarithmic else number + shift * self.gap

    def beside(self, arguments: Mapping[str, Argument]) -> dict[str, float]:
        """{name: its place}, those of one argument set beside each other in the order in which they come."""
        alike: dict[Argument, list[str]] = defaultdict(list)
        for name, argument in arguments.items():
            alike[argument].append(name)
        return {
            name: self.at(argument, APART * (i / (len(names) - 1) - 0.5) if len(names) > 1 else 0.0)
            for argument, names in alike.items()
            for i, name in enumerate(names)
        }

    @property
    def layout(self) -> dict[str, Any]:
        """The axis as plotly draws it."""
        if self.texts:
            ticks = {"tickvals": list(range(len(self.texts))), "ticktext": [escape(text) for text in self.texts]}
            angle = -30 if sum(map(len, self.texts)) > ONE_LINE else 0  # down to the right, the last would be cut off
            return {**ticks, "range": [-0.6, len(self.texts) - 0.4], "tickangle": angle}
        return {"type": "log"} if self.logarithmic else {}
