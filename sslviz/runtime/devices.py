"""Devices: Lightning Fabric, set up as asked, and what of it only one process does."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def launched_fabric(**options: Any) -> Fabric:
    """Fabric with these options, launched: each further device has a process, which runs the same script.

    ValueError where this machine cannot.
    """
    from lightning_fabric import Fabric

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces the precision; run.json says it
    try:
        fabric = Fabric(accelerator="auto", **options)
    except Exception as error:  # Fabric's own kinds, for what this machine does not have
        raise ValueError(f"This machine cannot be set up as asked ({error}); see --devices and --precision.") from error
    fabric.launch()
    return fabric


def speaks() -> bool:
    """Whether this process prints: the first of several on its machine, or the only one."""
    return os.environ.get("LOCAL_RANK", "0") == "0"
