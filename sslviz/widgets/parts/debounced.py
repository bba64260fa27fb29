"""A call that waits until its trigger rests, so that a slider on the move does not compute at every step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PAUSE = 0.15  # seconds: shorter than a person notices, longer than between two steps of a moving slider


class Debounced:
    """Calls `function` once the trigger has rested for a moment; at once where no event loop runs, as in a script."""

    def __init__(self, function: Callable[[], None], pause: float = PAUSE) -> None:
        self.function, self.pause = function, pause
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, *_: object) -> None:
        """Asks for a call, and withdraws one that is still waiting."""
        self.cancel()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.function()
        else:
            self._timer = loop.call_later(self.pause, self.function)

    def cancel(self) -> None:
        """Withdraws a call that is still waiting."""
        if self._timer is not None:
            self._timer.cancel()
