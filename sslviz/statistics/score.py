"""Score: the only form in which sslviz shows a number.

A value, a 95 % interval where one can be had, and what the same number reads where there is nothing to find.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True)
class Score:
    """Should this number be believed?  A value with its 95 % interval and its controls.

    - value: the number
    - low, high: its 95 % interval, None where none can be had
    - controls: {name: value}, what the number reads where there is nothing to find ("chance", "untrained", "noise")
    - higher_is_better: None where neither direction is good in itself
    - reason: why the value cannot be told, where it is NaN
    - control_is: a "floor" is to be beaten; a "ceiling" is what an ideal structureless space reads, not to be passed

    Example:
        >>> import sslviz
        >>> score = sslviz.Score(0.83, 0.81, 0.85, {"chance": 0.25})
        >>> print(score, score.beats_control)
        0.83 [0.81, 0.85]  vs 0.25 chance True
    """

    value: float
    low: float | None = None
    high: float | None = None
    controls: Mapping[str, float] = field(default_factory=dict)
    higher_is_better: bool | None = True
    control_is: Literal["floor", "ceiling"] = "floor"
    reason: str = ""

    @classmethod
    def unknown(cls, reason: str, controls: Mapping[str, float], higher_is_better: bool | None = None) -> Score:
        """A score that cannot be told, and why: "the encoder hardly reacts to anything"."""
        return cls(float("nan"), controls=controls, higher_is_better=higher_is_better, reason=reason)

    @property
    def control(self) -> float | None:
        """The strongest control: the one to beat, or the ceiling not to expect to pass; None without controls."""
        values = [v for v in self.controls.values() if np.isfinite(v)]
        if not values:
            return None
        return min(values) if self.higher_is_better is False else max(values)

    @property
    def beats_control(self) -> bool | None:
        """Whether the whole interval lies beyond the strongest control; None where that is not known or means nothing.

        Without an interval it is not known, since a value alone may lie beyond a control by luck.
        """
        if self.control is None or self.higher_is_better is None or self.control_is == "ceiling":
            return None
        if self.low is None or self.high is None:
            return None
        return bool(self.low > self.control) if self.higher_is_better else bool(self.high < self.control)

    @property
    def value_text(self) -> str:
        """The value alone, rounded: "0.83"."""
        return _short(self.value)

    @property
    def text(self) -> str:
        """The value and its interval: "0.83 [0.81, 0.85]"; "cannot be told" where there is a `reason` why not."""
        if self.reason:
            return "cannot be told"
        interval = "" if self.low is None or self.high is None else f" [{_short(self.low)}, {_short(self.high)}]"
        return f"{self.value_text}{interval}"

    @property
    def control_name(self) -> str:
        """What the strongest control is called; empty without controls."""
        return next((name for name, value in self.controls.items() if value == self.control), "")

    @property
    def control_text(self) -> str:
        """The strongest control: "0.25 chance"; empty without controls."""
        return "" if self.control is None else f"{_short(self.control)} {self.control_name}"

    def to_dict(self) -> dict[str, Any]:
        """The stable JSON form of commands and reports; a number that is not finite becomes null, if need be with a reason."""
        return {
            "value": _finite(self.value),
            "low": _finite(self.low),
            "high": _finite(self.high),
            "control": _finite(self.control),
            "controls": {name: _finite(value) for name, value in self.controls.items()},
            "higher_is_better": self.higher_is_better,
            "control_is": self.control_is,
        } | ({"reason": self.reason} if self.reason else {})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Score:
        """The score from its `to_dict` form; `control_is` is "floor" where an older sslviz did not write it."""
        return cls(
            _number(values["value"]),
            values["low"],
            values["high"],
            {name: _number(value) for name, value in values["controls"].items()},
            values["higher_is_better"],
            values.get("control_is", "floor"),
            values.get("reason", ""),
        )

    def __str__(self) -> str:
        if self.reason:
            return f"{self.text}: {self.reason}"
        return f"{self.text}  vs {self.control_text}" if self.control_text else self.text


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


def _short(value: float) -> str:
    """Two or three significant figures, without scientific notation where a person would not write it."""
    if not np.isfinite(value):
        return "n/a"
    magnitude = abs(value)
    if 1e-4 <= magnitude < 0.1:
        return f"{value:.2g}"
    return f"{value:.2f}" if magnitude < 10 else f"{value:.1f}" if magnitude < 100 else f"{value:,.0f}"
