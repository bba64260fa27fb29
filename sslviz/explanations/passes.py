"""How often an encoder is asked: pictures that go through it forwards, and those whose gradient comes back."""

from __future__ import annotations

from dataclasses import dataclass

BACKWARD = 2  # forward passes that a gradient costs beside its own: one for the activations, one more for the inputs


@dataclass(frozen=True)
class Passes:
    """How many pictures go through an encoder.

    - forward: pictures that go through it
    - backward: those of them whose gradient goes back to the pixels

    Passes add up, and can be multiplied by a number of pictures.

    Example:
        >>> 12 * Passes(3, 1) + Passes(4)
        Passes(forward=40, backward=12)
        >>> Passes(40, 12).answers
        64
    """

    forward: int = 0
    backward: int = 0

    def __add__(self, other: Passes) -> Passes:
        return Passes(self.forward + other.forward, self.backward + other.backward)

    def __rmul__(self, times: int) -> Passes:
        return Passes(times * self.forward, times * self.backward)

    @property
    def answers(self) -> int:
        """The forward passes that take about as long: a gradient costs two more."""
        return self.forward + BACKWARD * self.backward
