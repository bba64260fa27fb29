"""Monitoring of a training: the losses of each epoch, and kNN accuracy, RankMe and std of held-out images."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from sslviz.data import Images
from sslviz.diagnostics.geometry.spectrum import spectrum
from sslviz.diagnostics.probes.knn import knn_probe
from sslviz.features import Features
from sslviz.features.columns import stratified_half
from sslviz.features.embed import embed_pixels
from sslviz.runs import Run
from sslviz.training.schedule import Schedule

HELD_OUT = 2000  # images at most that an evaluation looks at: half of them give an accuracy to within 0.03


class Diverged(ValueError):
    """Loss or features of a training are no longer numbers."""


def hold_out(images: Images, seed: int) -> tuple[Images, Images]:
    """A tenth of the images, at most `HELD_OUT`, is kept from training."""
    order = np.random.default_rng(seed).permutation(len(images))
    n = min(HELD_OUT, max(1, len(images) // 10))
    return images.rows(np.sort(order[n:]), images.spec), images.rows(np.sort(order[:n]), images.spec)


def evaluate(fabric: Fabric, model: Any, held_out: Images, seed: int) -> dict[str, float]:
    """kNN accuracy (half of the held-out images vote on the other half), RankMe and std, on the first device only."""
    row: dict[str, float] = {}
    if fabric.is_global_zero:
        # A sample, not the first ones: folders come class by class.
        keep = np.sort(np.random.default_rng(seed).permutation(len(held_out))[:HELD_OUT])
        x = embed_pixels(model.encoder, held_out.pixels[keep])
        if not np.isfinite(x).all():
            raise Diverged(
                "The encoder's features are no longer numbers; lower --learning-rate or use --precision 32-true."
            )
        features = Features(x, held_out.ids[keep], held_out.table.iloc[keep], {"run": "held out"})
        geometry = spectrum(features).scores()
        row = {"rankme": geometry["rankme"].value, "std": geometry["std"].value, "std_isotropic": x.shape[1] ** -0.5}
        if (
            "label" in features.table
            and features.table["label"].notna().all()
            and 1 < features.table["label"].nunique() <= len(features) // 4
        ):
            bank = stratified_half(features.column("label"), seed)
            row["knn"] = knn_probe(features.rows(~bank), fit=features.rows(bank), k=min(20, int(bank.sum()))).accuracy
    fabric.barrier()
    return row


def training_features(model: Any, images: Images) -> torch.Tensor:
    """The encoder's features of all training images, float32 (n, d), where the encoder is."""
    x = torch.from_numpy(embed_pixels(model.encoder, images.pixels))
    return x.to(next(model.encoder.parameters()).device)


def epoch_row(
    schedule: Schedule, epoch: int, batch_size: int, sums: Mapping[str, torch.Tensor], began: float
) -> dict[str, Any]:
    """The row of the history after an epoch: the means of its losses, its last learning rate, and images a second.

    - sums: {loss and its terms: their sum over the steps of the epoch ()}
    - began: when the epoch began, on the clock of `time.perf_counter`
    """
    steps = schedule.steps(epoch)
    means = {name: float(x) / len(steps) for name, x in sums.items()}  # the one wait for the device in an epoch
    rate = len(steps) * batch_size / (time.perf_counter() - began)
    row = {"step": steps.stop, "epoch": epoch, "images": steps.stop * batch_size, **means}
    return row | {"lr": schedule.learning_rate(steps[-1]), "images_per_second": rate}


def check_loss(loss: float, epoch: int, run: Run) -> None:
    """Diverged, a ValueError, for a loss that is no number."""
    if not math.isfinite(loss):
        raise Diverged(
            f"The loss stopped being a number in epoch {epoch} of {run.name}; lower --learning-rate or use "
            "--precision 32-true. The checkpoints before it are kept."
        )


def progress_note(row: Mapping[str, float]) -> str:
    """The last row of the history in a few words, for the progress bar."""
    parts = {"loss": "loss {:.3f}", "knn": "kNN {:.2f}", "rankme": "rank {:.0f}"}
    return " · ".join(text.format(row[name]) for name, text in parts.items() if name in row)
