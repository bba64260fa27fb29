"""The pretraining loop, to be read from top to bottom.

Pixels lie on the device as one uint8 tensor.  Views are made there, all views go through the encoder in one call, and
nothing inside a step waits for the device.  Every random choice of a step is a function of (seed, step).  A run that was
killed and resumed therefore takes the same steps as one that was not; on a CPU its weights are the same bit for bit.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections import defaultdict
from collections.abc import Mapping
from functools import partial, reduce
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from sslviz.data import Images
from sslviz.encoders import create_encoder
from sslviz.methods import Batch, TrainingImages, build_method
from sslviz.methods.parts.momentum import update_ema
from sslviz.runs import Run
from sslviz.runtime.progress import progress_bar
from sslviz.training.batches import batches_on, class_numbers
from sslviz.training.devices import choose_precision, launch_fabric
from sslviz.training.monitor import check_loss, evaluate, hold_out, progress_note, training_features
from sslviz.training.resume import finish, load_resume, locked, open_run, save_resume, write_checkpoint, write_history
from sslviz.views import ViewPolicy

WEIGHT_DECAY = 0.05  # AdamW's usual value for encoders of this size; not applied to biases and norms
WARM_UP = 0.05  # of all steps: long enough for Adam's second moments to settle


def pretrain(
    images: Images,
    method: Annotated[str, "See `sslviz list methods`."] = "simclr",
    *,
    out: Annotated[str | Path, "The run folder to make, e.g. runs/simclr."],
    encoder: Annotated[str, "See `sslviz list encoders`; any timm model."] = "conv_nano",
    epochs: int = 20,
    batch_size: int = 256,
    learning_rate: Annotated[float, "For a batch of 256; scaled by sqrt(batch-size / 256)."] = 1e-3,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    held_out: Images | None = None,
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
) -> Run:
    """What does an encoder learn from these images without labels?

    Trains `method` (see `METHODS`) on `images` and returns the Run whose folder `out` holds checkpoints and history.

    - settings: hyper-parameters of the method ("temperature") or of its views ("hue"), by name
    - batch_size: images of a step, over all devices
    - learning_rate: for a batch of 256; it scales with sqrt(batch_size / 256) (arXiv 2002.05709, App. B.1)
    - held_out: images that are looked at every `eval_every` epochs (kNN accuracy, RankMe, std); without them a tenth of
      `images` is held back
    - checkpoint_every: epochs between two checkpoints; by default a fifth of all
    - resume: an interrupted run in `out` is continued
    - devices, strategy, num_nodes, precision: Lightning Fabric's; precision "auto" is "bf16-mixed" where the hardware
      multiplies bfloat16 faster, "32-true" elsewhere, and what it was before when a run is resumed

    Raises ValueError for an `out` that exists, for settings nobody knows, for fewer images than one batch, and when the
    loss stops being a number.

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
    at_least = {"epochs": (epochs, 1), "batch_size": (batch_size, 2), "eval_every": (eval_every, 1)}
    _check_numbers(images, batch_size, learning_rate, at_least | {"checkpoint_every": (checkpoint_every or 1, 1)})
    if precision == "auto":
        precision = choose_precision(Path(out) if resume else None)
    fabric = launch_fabric(batch_size, devices=devices, strategy=strategy, num_nodes=num_nodes, precision=precision)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):  # the caller's random state stays as it is
        torch.manual_seed(seed)
        net = create_encoder(encoder, image_size=min(images.size), seed=seed)
        model, policy = build_method(method, net, settings or {}, seed)
        arguments = {
            "method": method,
            "encoder": encoder,
            "epochs": epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "seed": seed,
            "settings": dict(settings or {}),
            "eval_every": eval_every,
            "images": images.spec,
            "images_digest": images.digest,
            "held_out": held_out.spec,
            "held_out_digest": held_out.digest,
        }
        info = {
            "kind": "pretrain",
            "arguments": arguments,
            "encoder": net.spec,
            "preprocessing": net.preprocessing.with_origins(image_size="the pictures it was trained on").to_dict(),
            "views": dataclasses.asdict(policy),
            "device": torch.cuda.get_device_name() if fabric.device.type == "cuda" else "cpu",
            "precision": precision,
            "world_size": fabric.world_size,
            "finished": False,
        }
        run = open_run(fabric, Path(out), json.loads(json.dumps(info)), resume)  # as run.json will give it back
        with locked(fabric, run):
            _train(fabric, run, model, policy, images, held_out, checkpoint_every or max(1, epochs // 5), progress)
    return Run(run.path)


def _check_numbers(
    images: Images, batch_size: int, learning_rate: float, at_least: Mapping[str, tuple[int, int]]
) -> None:
    if len(images) < batch_size:
        raise ValueError(
            f"There are {len(images)} images to train on, fewer than one batch of {batch_size}; lower --batch-size."
        )
    for name, (value, least) in at_least.items():
        if value < least:
            raise ValueError(f"{name} must be at least {least}; got {value}.")
    if not learning_rate > 0:
        raise ValueError(f"learning_rate must be above 0; got {learning_rate}.")


def _train(
    fabric: Fabric,
    run: Run,
    model: Any,  # a Method, which is an nn.Module
    policy: ViewPolicy,
    images: Images,
    held_out: Images,
    checkpoint_every: int,
    progress: bool,
) -> None:
    arguments = run.info["arguments"]
    seed, batch_size, epochs = arguments["seed"], arguments["batch_size"], arguments["epochs"]
    steps = len(images) // batch_size  # of an epoch; which images are left over differs from one to the next
    total = steps * epochs
    peak = arguments["learning_rate"] * math.sqrt(batch_size / 256)  # arXiv 2002.05709, App. B.1

    if fabric.world_size > 1 and fabric.device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # a device's share is too small for batch statistics
    model.to(memory_format=torch.channels_last)  # 4-d weights only: convolutions run faster, nothing else changes
    optimizer = torch.optim.AdamW(_parameter_groups(model), lr=0.0, fused=True)  # the rate is set in every step
    ddp, optimizer = fabric.setup(model, optimizer)
    ddp.mark_forward_method("loss")

    state = load_resume(run, model, optimizer) or {"epoch": 0, "rows": [], "seconds": 0.0}
    done, history, began = state["epoch"], state["rows"], time.perf_counter() - state["seconds"]
    if done == epochs:
        return finish(fabric, run, state["seconds"])
    if done == 0:
        write_checkpoint(fabric, run, model, 0)  # the untrained encoder, the control of all that follows
        history = [{"step": 0, "epoch": 0, "images": 0, "seconds": 0.0, **evaluate(fabric, model, held_out, seed)}]
        write_history(fabric, run, history)
    ranks = {"rank": fabric.global_rank, "world_size": fabric.world_size}
    batches = batches_on(fabric.device, images.pixels, batch_size, seed=seed, epochs=range(done, epochs), **ranks)
    labels = class_numbers(images.table).to(fabric.device)  # (n,)

    with progress_bar(run.name, total * batch_size, "images", shown=progress and fabric.is_global_zero) as advance:
        advance(done * steps * batch_size)
        for epoch in range(done + 1, epochs + 1):
            epoch_began = time.perf_counter()
            if hasattr(model, "epoch_begins"):
                _generator(fabric, seed, (epoch - 1) * steps, rank=0)  # every process draws the same
                model.epoch_begins(epoch, TrainingImages(images.pixels, partial(training_features, model, images)))
            model.train()
            sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=fabric.device))
            for step in range((epoch - 1) * steps, epoch * steps):
                generator = _generator(fabric, seed, step)
                pixels, rows = next(batches)  # uint8 (b, h, w, 3), int64 (b,); b is this device's share of the batch
                views = policy(pixels, generator)  # [(views, b, 3, s, s)], one entry a size
                with fabric.autocast():  # on a single device Fabric does not see to it for methods other than forward
                    loss = ddp.loss(Batch(views, pixels, rows, labels[rows], step / total))  # () or {term: ()}
                terms = loss if isinstance(loss, dict) else {}
                loss = reduce(torch.add, terms.values()) if terms else loss
                fabric.backward(loss)
                for group in optimizer.param_groups:
                    group["lr"] = _learning_rate(step, total, peak)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                update_ema(model, step / total)
                for name, value in {"loss": loss, **{f"loss_{term}": x for term, x in terms.items()}}.items():
                    sums[name] += value.detach()
                advance(batch_size)

            step = epoch * steps
            means = {name: float(x) / steps for name, x in sums.items()}  # the one wait for the device in an epoch
            rate = steps * batch_size / (time.perf_counter() - epoch_began)
            check_loss(means["loss"], epoch, run)
            row = {"step": step, "epoch": epoch, "images": step * batch_size, **means}
            row |= {"lr": _learning_rate(step - 1, total, peak), "images_per_second": rate}
            if epoch % arguments["eval_every"] == 0 or epoch == epochs:
                row |= evaluate(fabric, model, held_out, seed)
            row["seconds"] = time.perf_counter() - began
            advance(0, note=progress_note(row))
            history.append(row)
            write_history(fabric, run, history)
            if epoch % checkpoint_every == 0 or epoch == epochs:
                write_checkpoint(fabric, run, model, step)
            save_resume(fabric, run, model, optimizer, {"epoch": epoch, "rows": history, "seconds": row["seconds"]})
    finish(fabric, run, history[-1]["seconds"])


def _parameter_groups(model: nn.Module) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels only."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _learning_rate(step: int, total: int, peak: float) -> float:
    """Linear warm-up, then a cosine to zero."""
    warm_up = max(1, round(WARM_UP * total))
    if step < warm_up:
        return peak * (step + 1) / warm_up
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, total - warm_up)))


def _generator(fabric: Fabric, seed: int, step: int, rank: int | None = None) -> torch.Generator:
    """All randomness of one step on this device: the views', and through the global one (forked here) the method's."""
    mixed = np.random.SeedSequence([seed, step, fabric.global_rank if rank is None else rank]).generate_state(
        2, np.uint64
    )
    torch.manual_seed(int(mixed[0] >> np.uint64(1)))
    return torch.Generator(fabric.device).manual_seed(int(mixed[1] >> np.uint64(1)))
