"""The pretraining loop, to be read from top to bottom.

Pixels lie on the device as one uint8 tensor.  Views are made there, all views go through the encoder in one call, and
nothing inside a step waits for the device.  Every random choice of a step is a function of (seed, step).  A run that was
killed and resumed therefore takes the same steps as one that was not; on a CPU its weights are the same bit for bit.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from sslviz.data import Images
from sslviz.methods import Batch, MethodChoice, TrainingImages, build_method
from sslviz.methods.parts.momentum import update_ema
from sslviz.runs import Checkpoint, Run
from sslviz.runtime.progress import progress_bar
from sslviz.training.balance import balanced
from sslviz.training.batches import batches_on, class_numbers
from sslviz.training.devices import choose_precision, launch_fabric
from sslviz.training.monitor import check_loss, epoch_row, evaluate, hold_out, progress_note, training_features
from sslviz.training.optimizers import choose_recipe, create_optimizer, recipe_text, scaled_rate
from sslviz.training.record import pictures_said, training_record
from sslviz.training.resume import (
    arguments_of,
    finish,
    load_resume,
    locked,
    open_run,
    save_resume,
    write_checkpoint,
    write_history,
)
from sslviz.training.schedule import Schedule
from sslviz.training.start import first_encoder, start_said
from sslviz.training.step import descend, step_generator
from sslviz.views import ViewPolicy


def pretrain(
    images: Images,
    method: Annotated[str, "See `sslviz list methods`."] = "simclr",
    *,
    out: Annotated[str | Path, "The run folder to make, e.g. runs/simclr."],
    encoder: Annotated[str, "See `sslviz list encoders`; any timm model."] = "conv_nano",
    epochs: int = 20,
    steps: Annotated[int | None, "Stop after so many steps, whatever --epochs says."] = None,
    batch_size: int = 256,
    optimizer: Annotated[str | None, "adamw, sgd or lars; without it, the method's."] = None,
    learning_rate: Annotated[float | None, "For a batch of 256, scaled with it; without it, the method's."] = None,
    weight_decay: Annotated[float | None, "Of matrices and kernels; without it, the method's."] = None,
    balance: Annotated[str | None, "Draw the groups of this column equally often, or of several: label,color."] = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    held_out: Images | None = None,
    start: Checkpoint | None = None,
    eval_every: Annotated[int, "Epochs between two looks at held-out images."] = 1,
    checkpoint_every: Annotated[int | None, "Epochs between two checkpoints; without it, a fifth of all."] = None,
    resume: Annotated[bool, "Continue a run that was interrupted."] = False,
    devices: Annotated[int | str, "How many GPUs, or auto."] = 1,
    strategy: str = "auto",
    num_nodes: int = 1,
    precision: Annotated[
        str, "Lightning Fabric's, e.g. bf16-mixed; auto is that where the hardware is faster at it, 32-true elsewhere."
    ] = "auto",
    progress: Annotated[bool, "Whether a bar with rate and remaining time is drawn."] = True,
    choice: MethodChoice | None = None,
) -> Run:
    """What does an encoder learn from these images without labels?

    Trains `method` (see `METHODS`) on `images` and returns the Run whose folder `out` holds checkpoints and history.

    - settings: hyper-parameters of the method ("temperature") or of its views ("hue", "strength", "local_views"), by
      name; what keeps a method from collapsing is among them (`safeguards` of its class)
    - epochs: how often as many images are seen as there are, in whole batches
    - steps: the run ends after so many, whatever `epochs` says; its last epoch may be shorter
    - batch_size: images of a step, over all devices
    - optimizer: "adamw", "sgd" or "lars" (see `OPTIMIZERS`); the method's `recipe` says it unless given
    - learning_rate: at its peak, for a batch of 256; AdamW's grows with the root of the batch (arXiv 2205.10287), the
      others' with the batch (arXiv 1706.02677).  It warms up for a twentieth of all steps and falls to zero as a cosine
    - weight_decay: of matrices and kernels; biases and norms do not decay.  Rate and decay are the recipe's, or usual for
      another optimiser; run.json says what was used, and under `origins` where it comes from
    - balance: a column, or several ("label,background"), whose groups are drawn equally often, with replacement; images
      without a value are a group of their own
    - held_out: images that are looked at every `eval_every` epochs (kNN accuracy, RankMe, std); without them a tenth of
      `images` is held back
    - start: a checkpoint of the same encoder whose weights it begins with, to go on learning on other images; heads and
      all that the method adds are fresh.  Step 0 is then that checkpoint, and no longer an untrained encoder
    - checkpoint_every: epochs between two checkpoints; by default a fifth of all
    - resume: an interrupted run in `out` is continued; optimiser, rate and decay are as it began unless given
    - devices, strategy, num_nodes, precision: Lightning Fabric's; precision "auto" is "bf16-mixed" where the hardware
      multiplies bfloat16 faster, "32-true" elsewhere, and what it was before when a run is resumed
    - choice: a method that is not listed, instead of `method` and `settings`; `distil` trains by it

    Raises ValueError for an `out` that exists, for settings and optimisers nobody knows, and for columns without
    groups.  Also for fewer images than one batch, for a `start` of another encoder, and when the loss stops being a
    number.

    Example:
        >>> import sslviz, tempfile
        >>> images, folder = sslviz.shapes(n=80, seed=0), tempfile.mkdtemp()
        >>> run = sslviz.pretrain(images, "simclr", out=f"{folder}/run", epochs=2, batch_size=32, progress=False)
        >>> [checkpoint.step for checkpoint in run.checkpoints]
        [0, 2, 4]

    Caveat: the loss of one method says nothing about another, and little about the encoder.
    """
    if held_out is None:
        images, held_out = hold_out(images, seed)
    _check_numbers(images, batch_size, epochs, steps, eval_every, checkpoint_every)
    drawn = None if balance is None else balanced(images.table, balance)
    if precision == "auto":
        precision = choose_precision(Path(out) if resume else None)
    choice = choice or MethodChoice(method, lambda encoder, seed: build_method(method, encoder, settings or {}, seed))
    fabric = launch_fabric(batch_size, devices=devices, strategy=strategy, num_nodes=num_nodes, precision=precision)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):  # the caller's random state stays as it is
        torch.manual_seed(seed)
        net = first_encoder(encoder, min(images.size), seed, start)
        model, policy = choice.build(net, seed)
        given = {"optimizer": optimizer, "learning_rate": learning_rate, "weight_decay": weight_decay}
        began = arguments_of(Run(out)) if resume and (Path(out) / "run.json").exists() else None
        recipe, origins = choose_recipe(choice.name, model, given, began)
        epoch_steps = len(images) // batch_size  # which images are left over differs from one epoch to the next
        schedule = Schedule(epoch_steps, steps or epochs * epoch_steps, scaled_rate(recipe, batch_size))
        arguments: dict[str, Any] = {"method": choice.name, "encoder": encoder, "epochs": schedule.epochs}
        arguments |= {"steps": steps, "batch_size": batch_size, **dataclasses.asdict(recipe)}
        arguments |= {"balance": balance, "seed": seed, "settings": dict(settings or {}), "eval_every": eval_every}
        arguments |= {**pictures_said(images, held_out), **choice.arguments, **start_said(start)}
        record = training_record(choice.kind, arguments, origins, drawn, net, policy, fabric, precision)
        run = open_run(fabric, Path(out), record, resume)
        if progress and fabric.is_global_zero:
            said = [recipe_text(choice.name, recipe, origins), *([str(drawn)] if drawn else [])]
            print("\n".join(said), file=sys.stderr, flush=True)
        with locked(fabric, run):
            every = checkpoint_every or max(1, schedule.epochs // 5)
            chances = drawn.chances if drawn else None
            _train(fabric, run, model, policy, schedule, images, chances, held_out, every, progress)
    return Run(run.path)


def _check_numbers(
    images: Images, batch_size: int, epochs: int, steps: int | None, eval_every: int, checkpoint_every: int | None
) -> None:
    if len(images) < batch_size:
        raise ValueError(
            f"There are {len(images)} images to train on, fewer than one batch of {batch_size}; lower --batch-size."
        )
    at_least = {"epochs": (epochs, 1), "steps": (steps, 1), "batch_size": (batch_size, 2)}
    at_least |= {"eval_every": (eval_every, 1), "checkpoint_every": (checkpoint_every, 1)}
    for name, (value, least) in at_least.items():
        if value is not None and value < least:
            raise ValueError(f"{name} must be at least {least}; got {value}.")


def _train(
    fabric: Fabric,
    run: Run,
    model: Any,  # a Method, which is an nn.Module
    policy: ViewPolicy,
    schedule: Schedule,
    images: Images,
    chances: np.ndarray | None,  # of each image in a draw, where groups are balanced
    held_out: Images,
    checkpoint_every: int,
    progress: bool,
) -> None:
    arguments = arguments_of(run)
    seed, batch_size, epochs = arguments["seed"], arguments["batch_size"], schedule.epochs
    model, ddp, optimizer = _set_up(fabric, model, arguments)

    state = load_resume(run, model, optimizer) or {"epoch": 0, "rows": [], "seconds": 0.0}
    done, history, began = state["epoch"], state["rows"], time.perf_counter() - state["seconds"]
    if done == epochs:
        return finish(fabric, run, state["seconds"])
    if done == 0:
        write_checkpoint(fabric, run, model, 0)  # the untrained encoder, the control of all that follows
        history = [{"step": 0, "epoch": 0, "images": 0, "seconds": 0.0, **evaluate(fabric, model, held_out, seed)}]
        write_history(fabric, run, history)
    order: dict[str, Any] = {"seed": seed, "epochs": range(done, epochs), "chances": chances}
    order |= {"rank": fabric.global_rank, "world_size": fabric.world_size}
    batches = batches_on(fabric.device, images.pixels, batch_size, **order)
    labels = class_numbers(images.table).to(fabric.device)  # (n,)

    shown = progress and fabric.is_global_zero
    with progress_bar(run.name, schedule.total * batch_size, "images", shown=shown) as advance:
        advance(done * schedule.epoch_steps * batch_size)
        for epoch in range(done + 1, epochs + 1):
            epoch_began, steps = time.perf_counter(), schedule.steps(epoch)
            _begin_epoch(fabric, model, images, epoch, seed, steps[0])
            sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=fabric.device))
            for step in steps:
                generator, done_share = step_generator(fabric, seed, step), schedule.progress(step)
                pixels, rows = next(batches)  # uint8 (b, h, w, 3), int64 (b,); b is this device's share of the batch
                views = policy.at(done_share)(pixels, generator)  # [(views, b, 3, s, s)], one entry a size
                batch = Batch(views, pixels, rows, labels[rows], done_share)
                losses = descend(fabric, ddp, optimizer, batch, schedule.learning_rate(step))
                update_ema(model, done_share)
                for name, value in losses.items():
                    sums[name] += value
                advance(batch_size)

            row = epoch_row(schedule, epoch, batch_size, sums, epoch_began)
            check_loss(row["loss"], epoch, run)
            if epoch % arguments["eval_every"] == 0 or epoch == epochs:
                row |= evaluate(fabric, model, held_out, seed)
            row["seconds"] = time.perf_counter() - began
            advance(0, note=progress_note(row))
            history.append(row)
            write_history(fabric, run, history)
            if epoch % checkpoint_every == 0 or epoch == epochs:
                write_checkpoint(fabric, run, model, steps.stop)
            save_resume(fabric, run, model, optimizer, {"epoch": epoch, "rows": history, "seconds": row["seconds"]})
    finish(fabric, run, history[-1]["seconds"])


def _set_up(fabric: Fabric, model: Any, arguments: Mapping[str, Any]) -> tuple[Any, Any, torch.optim.Optimizer]:
    """The method on its device, the same as Fabric runs it over all devices, and its optimiser."""
    if fabric.world_size > 1 and fabric.device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # a device's share is too small for batch statistics
    model.to(memory_format=torch.channels_last)  # 4-d weights only: convolutions run faster, nothing else changes
    optimizer = create_optimizer(arguments["optimizer"], model, arguments["weight_decay"])
    ddp, optimizer = fabric.setup(model, optimizer)
    ddp.mark_forward_method("loss")
    return model, ddp, optimizer


def _begin_epoch(fabric: Fabric, model: Any, images: Images, epoch: int, seed: int, step: int) -> None:
    """Lets a method that asks for it see all images before the first step of an epoch."""
    if hasattr(model, "epoch_begins"):
        step_generator(fabric, seed, step, rank=0)  # every process draws the same
        model.epoch_begins(epoch, TrainingImages(images.pixels, partial(training_features, model, images)))
    model.train()
