"""A smaller encoder that learns from a larger one, as a run of its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import nn

from sslviz.data import Images
from sslviz.encoders import Encoder
from sslviz.explanations.pictures import require_pictures
from sslviz.features.embed import embed_pixels, to_device
from sslviz.methods import MethodChoice
from sslviz.runs import Checkpoint, Run
from sslviz.training.pretrain import pretrain
from sslviz.transfer.distillation import HOW, Distillation
from sslviz.views import ViewPolicy

KIND = "distil"  # what run.json calls such a run and its method
SCALED_ON = 2000  # images at most whose features tell the teacher's mean and spread


def distil(
    checkpoint: Checkpoint,
    images: Images,
    encoder: Annotated[str, "The student; see `sslviz list encoders`."] = "conv_nano",
    *,
    out: Annotated[str | Path, "The run folder to make, e.g. runs/small."],
    how: Annotated[
        Literal["cosine", "mse", "relational"], "What is compared: directions, values, or distances and angles."
    ] = "cosine",
    epochs: int = 20,
    steps: Annotated[int | None, "Stop after so many steps, whatever --epochs says."] = None,
    batch_size: int = 256,
    learning_rate: Annotated[float | None, "For a batch of 256, scaled with it."] = None,
    seed: int = 0,
    held_out: Images | None = None,
    checkpoint_every: Annotated[int | None, "Epochs between two checkpoints; without it, a fifth of all."] = None,
    resume: Annotated[bool, "Continue a run that was interrupted."] = False,
    devices: Annotated[int | str, "How many GPUs, or auto."] = 1,
    precision: Annotated[str, "As of `sslviz pretrain`."] = "auto",
    progress: Annotated[bool, "Whether a bar with rate and remaining time is drawn."] = True,
) -> Run:
    """Can a smaller encoder learn what this one knows?

    The `checkpoint` is the teacher and stays as it is.  The student sees the same crops, at the images' size, and learns to
    give what the teacher gives.  Returns the student's Run, which is read as any other; run.json says who taught it.

    - how: "cosine" and "mse" compare a linear map of the student's features with the teacher's centred ones; "relational"
      compares distances and angles between the pictures of a batch (arXiv 1904.05068)
    - epochs, steps, batch_size, learning_rate, held_out, checkpoint_every, resume, devices, precision: as of `pretrain`

    Controls: checkpoint 0 of the run is the student untrained.  Beside it belong the teacher, the same student pretrained
    for as long, and as many principal components of the teacher as the student has features.

    ValueError for what `pretrain` refuses, for clips, and for a teacher that gives all pictures the same features.

    Example:
        >>> import sslviz, tempfile
        >>> images, folder = sslviz.shapes(n=80, seed=0), tempfile.mkdtemp()
        >>> teacher = sslviz.Checkpoint("teacher", 0, {"name": "resnet10t"}, path=None)
        >>> run = sslviz.distil(teacher, images, out=f"{folder}/run", steps=2, batch_size=32, progress=False)
        >>> run.info["kind"], run.info["arguments"]["teacher"]["run"], run.last.step
        ('distil', 'teacher', 2)

    Caveat: A student can only be as good as its teacher where both see alike; it takes over the teacher's shortcuts, too.
    """
    if how not in HOW:
        raise ValueError(f"how is one of {', '.join(HOW)}; got {how!r}.")
    require_pictures(images, "A student needs pictures (n, h, w, 3) to learn from")
    return pretrain(
        images,
        out=out,
        encoder=encoder,
        epochs=epochs,
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        held_out=held_out,
        checkpoint_every=checkpoint_every,
        resume=resume,
        devices=devices,
        precision=precision,
        progress=progress,
        choice=_choice(checkpoint, images, how, seed),
    )


def _choice(checkpoint: Checkpoint, images: Images, how: str, seed: int) -> MethodChoice:
    """Distillation from this teacher, and what run.json says of it."""
    teacher = to_device(checkpoint.encoder())
    center, scale = _center_and_scale(teacher, images, seed, checkpoint.run)

    def build(student: Encoder, seed: int) -> tuple[nn.Module, ViewPolicy]:
        fed: dict[str, Any] = {"size": student.image_size, "mean": student.mean, "std": student.std}
        method = Distillation(student, teacher=teacher, center=center, scale=scale, how=how, seed=seed)
        return method, dataclasses.replace(Distillation.views, **fed)

    said = {"run": checkpoint.run, "step": checkpoint.step, "digest": checkpoint.digest, "encoder": teacher.name}
    return MethodChoice(KIND, build, KIND, {"how": how, "teacher": said})


def _center_and_scale(teacher: Encoder, images: Images, seed: int, name: str) -> tuple[torch.Tensor, float]:
    """Mean (d,) and root mean variance of the teacher's features, so that losses are shares of their spread."""
    rows = np.sort(np.random.default_rng(seed).permutation(len(images))[:SCALED_ON])
    x = embed_pixels(teacher, images.pixels[rows]).astype(np.float64)
    scale = float(np.sqrt(x.var(0).mean()))
    if not np.isfinite(scale) or scale <= 1e-6 * float(np.abs(x).max()):
        raise ValueError(
            f"{name} gives all pictures the same features, or none that are numbers; there is nothing to learn from it."
        )
    return torch.from_numpy(x.mean(0)).float(), scale
