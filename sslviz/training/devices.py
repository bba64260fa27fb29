"""Devices and precision of training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sslviz.runs import Run
from sslviz.runtime.devices import launched_fabric
from sslviz.runtime.hardware import multiplies_bfloat16

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def launch_fabric(batch_size: int, **options: Any) -> Fabric:
    """Fabric with these options, launched; ValueError where this machine cannot, or the batch cannot be shared evenly."""
    fabric = launched_fabric(**options)
    if batch_size % fabric.world_size:
        raise ValueError(
            f"A batch of {batch_size} cannot be shared evenly by {fabric.world_size} devices; change --batch-size."
        )
    return fabric


def choose_precision(resumed: Path | None = None) -> str:
    """What "auto" means here: "bf16-mixed" where the hardware multiplies it faster, else "32-true".

    A run that is resumed keeps the precision it began with.
    """
    if resumed and (resumed / "run.json").exists():
        return str(Run(resumed).info.get("precision", "32-true"))
    return "bf16-mixed" if multiplies_bfloat16() else "32-true"
