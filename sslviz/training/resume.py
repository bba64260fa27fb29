"""What training writes: history, checkpoints, and the state from which a killed run continues."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from sslviz.runs import Run
from sslviz.runtime.files import atomic_write, folder_lock, sweep

# What runs did that were written before these arguments were: an old run.json does not say them.
BEFORE: dict[str, Any] = {"steps": None, "balance": None, "optimizer": "adamw", "weight_decay": 0.05}


def arguments_of(run: Run) -> dict[str, Any]:
    """All arguments that a run was started with."""
    return {**BEFORE, **run.info.get("arguments", {})}


def open_run(fabric: Fabric, path: Path, info: dict[str, Any], resume: bool) -> Run:
    """Creates the run folder, or, to resume, opens it and makes sure that it was started with the same arguments."""
    if not fabric.is_global_zero:
        fabric.barrier()
        return Run(path)
    if resume and (path / "run.json").exists():
        run = Run(path)
        before = {**arguments_of(run), "precision": run.info.get("precision")}
        for name, now in {**info["arguments"], "precision": info["precision"]}.items():
            if before.get(name) != now:
                raise ValueError(
                    f"{path} was started with {name}={before.get(name)!r}, not {now!r}; resume with the same arguments, "
                    "or choose another --out."
                )
    else:
        run = Run.create(path, info)
    fabric.barrier()
    return run


@contextmanager
def locked(fabric: Fabric, run: Run) -> Iterator[None]:
    """Two processes must not train into one folder; the lock goes with the process, however it ends."""
    if not fabric.is_global_zero:
        yield
        return
    refusal = f"Another process is training into {run.path} right now; wait for it, or stop it."
    with folder_lock(run.path, refusal):
        for folder in (run.path, run.path / "checkpoints"):
            sweep(folder)
        yield


def write_history(fabric: Fabric, run: Run, rows: list[dict[str, Any]]) -> None:
    """Writes history.csv, on the first device only."""
    if fabric.is_global_zero:
        floor = rows[0].get("std")  # a trained encoder whose features spread less than untrained ones has collapsed
        run.write_history([{**row, "std_floor": floor} for row in rows])


def write_checkpoint(fabric: Fabric, run: Run, model: nn.Module, step: int) -> None:
    """Writes the method's state but for the slow copies, which only training needs: they go into resume.pt."""
    if fabric.is_global_zero:
        targets = tuple(f"{name}." for name in getattr(model, "ema", {}))
        run.save_checkpoint(step, {k: v for k, v in model.state_dict().items() if not k.startswith(targets)})


def finish(fabric: Fabric, run: Run, seconds: float) -> None:
    """Says in run.json that the run is complete, on the first device only; the others wait."""
    if fabric.is_global_zero:
        run.update(seconds=round(seconds, 2), finished=True)
    fabric.barrier()


def save_resume(fabric: Fabric, run: Run, model: nn.Module, optimizer: Any, state: dict[str, Any]) -> None:
    """Writes resume.pt: weights, optimiser and `state`, on the first device only."""
    if fabric.is_global_zero:
        buffer = io.BytesIO()  # torch.save straight to a full disk raises an error of its own, which names no file
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), **state}, buffer)
        with atomic_write(run.path / "resume.pt") as file:
            file.write(buffer.getbuffer())


def load_resume(run: Run, model: nn.Module, optimizer: Any) -> dict[str, Any] | None:
    """Puts weights and optimiser back and returns the state; None where nothing was written."""
    path = run.path / "resume.pt"
    if not path.exists():
        return None
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # of many kinds, for a file that something else has damaged
        raise ValueError(f"{path} cannot be read; delete it to begin this run again.") from error
    model.load_state_dict(state.pop("model"))
    optimizer.load_state_dict(state.pop("optimizer"))
    return copy.deepcopy(state)
