"""Which cell of a notebook is running, and what an earlier run of the same cell left open."""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple, Protocol

from IPython.core.getipython import get_ipython

OPEN = "sslviz explorers"  # their place in what IPython keeps for extensions, which goes with the kernel


class Closable(Protocol):
    """What can be closed, more than once."""

    def close(self) -> None:
        """Closes it."""


class RunningCell(NamedTuple):
    """A cell while it runs.

    - cell: the front end's name for it; its code, where the front end gives none
    - execution: another one each time it runs
    """

    cell: str
    execution: str


def running_cell() -> RunningCell | None:
    """The cell that runs now; None where no notebook does, as in a script or a terminal."""
    shell: Any = get_ipython()  # which shell it is, the running program decides
    if shell is None or not shell.has_trait("kernel"):
        return None
    request = shell.kernel.get_parent("shell")
    if not request:
        return None
    return RunningCell(
        str(request["metadata"].get("cellId") or request["content"].get("code", "")), request["header"]["msg_id"]
    )


def replace_earlier(new: Closable) -> None:
    """Closes what an earlier run of this cell opened; `new` is what the next run will close.

    Several that one run opens stay open side by side.
    """
    running, shell = running_cell(), get_ipython()
    if running is None or shell is None:
        return
    opened = shell.meta.setdefault(OPEN, {})
    execution, earlier = opened.get(running.cell, ("", []))
    if execution != running.execution:
        for one in filter(None, (reference() for reference in earlier)):
            one.close()
        earlier = []
    opened[running.cell] = running.execution, [*earlier, weakref.ref(new)]
