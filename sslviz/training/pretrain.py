"""How is an encoder pretrained?  THE loop: one file, read from top to bottom.

Pixels lie on the device as one uint8 tensor, views are made there, all views go through the encoder in one call, and
nothing inside a step waits for the device.  Every random choice of a step is a function of (seed, step), so a run
that was killed and resumed takes the same steps as one that was not; on a CPU its weights are the same bit for bit.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import time
from collections import defaultdict
from collections.abc import Mapping
from functools import partial, reduce
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from sslviz.data import Images
from sslviz.encoders import create_encoder
from sslviz.methods import Batch, build_method
from sslviz.methods.parts.momentum import update_ema
from sslviz.runs import Run
from sslviz.runtime.progress import progress_bar
from sslviz.training.batches import batches_on, class_numbers
from sslviz.training.monitor import evaluate, hold_out, progress_note, training_features
from sslviz.training.resume import load_resume, locked, open_run, save_resume, write_checkpoint, write_history
from sslviz.views import ViewPolicy

WEIGHT_DECAY = 0.05  # AdamW's usual value for encoders of this size; not applied to biases and norms
WARM_UP = 0.05  # of all steps: long enough for Adam's second moments to settle


def pretrain(
    images: Images,
    method: str = "simclr",
    *,
    out: str | Path,
    encoder: str = "conv_nano",
    epochs: int = 20,
    batch_size: int = 256,
    learning_rate: float = 1e-3,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    held_out: Images | None = None,
    eval_every: int = 1,
    checkpoint_every: int | None = None,
    resume: bool = False,
    devices: int | str = 1,
    strategy: str = "auto",
    num_nodes: int = 1,
    precision: str = "auto",
    progress: bool = True,
) -> Run:
    """What does an encoder learn from these images without labels?

    Trains `method` (see `METHODS`) on `images` and returns the Run whose folder `out` holds checkpoints and history.
    `settings` are hyper-parameters of the method ("temperature") or of its views ("hue"), by name.  `learning_rate`
    is for a batch of 256 and scales with sqrt(batch_size / 256) (arXiv 2002.05709, App. B.1); `batch_size` counts
    images over all devices.  `held_out` images are looked at every `eval_every` epochs (kNN accuracy, RankMe, std);
    without them a tenth of `images` is held back.  `resume` continues an interrupted run.  `devices`, `strategy`,
    `num_nodes` and `precision` are Lightning Fabric's; precision "auto" is "bf16-mixed" where the hardware multiplies
    bfloat16 faster, "32-true" elsewhere, and what it was before when a run is resumed.

    Raises ValueError for an `out` that exists, for settings nobody knows, for fewer images than one batch, and when the
    loss stops being a number.  Caveat: the loss of one method says nothing about another, and little about the encoder.
    """
    if held_out is None:
        images, held_out = hold_out(images, seed)
    if len(images) < batch_size:
        raise ValueError(
            f"There are {len(images)} images to train on, fewer than one batch of {batch_size}; lower --batch-size."
        )
    for name, value, least in [("epochs", epochs, 1), ("batch_size", batch_size, 2), ("eval_every", eval_every, 1)]:
        if value < least:
            raise ValueError(f"{name} must be at least {least}; got {value}.")
    if not learning_rate > 0:
        raise ValueError(f"learning_rate must be above 0; got {learning_rate}.")
    if precision == "auto":
        precision = _precision(Path(out) if resume else None)
    fabric = _fabric(devices=devices, strategy=strategy, num_nodes=num_nodes, precision=precision)
    fabric.launch()
    if batch_size % fabric.world_size:
        raise ValueError(
            f"A batch of {batch_size} cannot be shared evenly by {fabric.world_size} devices; change --batch-size."
        )
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        net = create_encoder(encoder, image_size=min(images.size), seed=seed)
        model, policy = build_method(method, net, settings or {}, seed)
        arguments = {
            "method": method, "encoder": encoder, "epochs": epochs, "batch_size": batch_size,
            "learning_rate": learning_rate, "seed": seed, "settings": dict(settings or {}), "eval_every": eval_every,
            "images": images.spec, "images_digest": images.digest,
            "held_out": held_out.spec, "held_out_digest": held_out.digest,
        }  # fmt: skip
        checkpoint_every = checkpoint_every or max(1, epochs // 5)
        info = {
            "kind": "pretrain", "arguments": arguments, "encoder": net.spec, "views": dataclasses.asdict(policy),
            "device": torch.cuda.get_device_name() if fabric.device.type == "cuda" else "cpu",
            "precision": precision, "world_size": fabric.world_size, "finished": False,
        }  # fmt: skip
        run = open_run(fabric, Path(out), json.loads(json.dumps(info)), resume)
        with locked(fabric, run):
            _train(fabric, run, model, policy, images, held_out, checkpoint_every, progress)
    return Run(run.path)


def _train(
    fabric: Fabric, run: Run, model: Any, policy: ViewPolicy, images: Images, held_out: Images,
    checkpoint_every: int, progress: bool,
) -> None:  # fmt: skip
    a = run.info["arguments"]
    steps_per_epoch = len(images) // a["batch_size"]
    total = steps_per_epoch * a["epochs"]
    if fabric.world_size > 1 and fabric.device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    model.to(memory_format=torch.channels_last)  # 4-d weights only: convolutions run faster, nothing else changes
    optimizer = torch.optim.AdamW(_parameter_groups(model), lr=0.0, fused=True)
    ddp, optimizer = fabric.setup(model, optimizer)
    ddp.mark_forward_method("loss")

    state = load_resume(run, model, optimizer) or {"epoch": 0, "rows": [], "seconds": 0.0}
    done, history, began = state["epoch"], state["rows"], time.perf_counter() - state["seconds"]
    if done == a["epochs"]:
        if fabric.is_global_zero:
            run.update(seconds=round(state["seconds"], 2), finished=True)
        return
    if done == 0:
        write_checkpoint(fabric, run, model, 0)
        history = [{"step": 0, "epoch": 0, "images": 0, "seconds": 0.0, **evaluate(fabric, model, held_out, a["seed"])}]
        write_history(fabric, run, history)
    batches = batches_on(
        fabric.device, images.pixels, a["batch_size"], seed=a["seed"], epochs=range(done, a["epochs"]),
        rank=fabric.global_rank, world_size=fabric.world_size,
    )  # fmt: skip
    labels = class_numbers(images.table).to(fabric.device)
    step = done * steps_per_epoch
    with progress_bar(run.name, total * a["batch_size"], "images", shown=progress and fabric.is_global_zero) as advance:
        advance(step * a["batch_size"])
        for epoch in range(done + 1, a["epochs"] + 1):
            epoch_began = time.perf_counter()
            if hasattr(model, "epoch_begins"):
                _generator(fabric, a["seed"], step)  # what it draws is a function of (seed, step) too
                model.epoch_begins(epoch, partial(training_features, model, images))
            model.train()
            sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=fabric.device))
            for _ in range(steps_per_epoch):
                generator = _generator(fabric, a["seed"], step)
                pixels, rows = next(batches)
                batch = Batch(policy(pixels, generator), pixels, rows, labels[rows], step / total)
                with fabric.autocast():  # on a single device Fabric does not see to it for methods other than forward
                    loss = ddp.loss(batch)
                terms = loss if isinstance(loss, dict) else {}
                loss = reduce(torch.add, terms.values()) if terms else loss
                fabric.backward(loss)
                for group in optimizer.param_groups:
                    group["lr"] = _learning_rate(step, total, a)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                update_ema(model, step / total)
                for name, value in {"loss": loss, **{f"loss_{term}": x for term, x in terms.items()}}.items():
                    sums[name] += value.detach()
                step += 1
                advance(a["batch_size"])
            means = {name: float(x) / steps_per_epoch for name, x in sums.items()}  # the one wait for the device
            if not math.isfinite(means["loss"]):
                raise ValueError(
                    f"The loss stopped being a number in epoch {epoch} of {run.name}; lower --learning-rate or use "
                    "--precision 32-true. The checkpoints before it are kept."
                )
            history.append({
                "step": step, "epoch": epoch, "images": step * a["batch_size"], **means,
                "lr": _learning_rate(step - 1, total, a),
                "images_per_second": steps_per_epoch * a["batch_size"] / (time.perf_counter() - epoch_began),
            })  # fmt: skip
            if epoch % a["eval_every"] == 0 or epoch == a["epochs"]:
                history[-1] |= evaluate(fabric, model, held_out, a["seed"])
            history[-1]["seconds"] = time.perf_counter() - began
            advance(0, note=progress_note(history[-1]))
            write_history(fabric, run, history)
            if epoch % checkpoint_every == 0 or epoch == a["epochs"]:
                write_checkpoint(fabric, run, model, step)
            save_resume(
                fabric, run, model, optimizer, {"epoch": epoch, "rows": history, "seconds": history[-1]["seconds"]}
            )
    if fabric.is_global_zero:
        run.update(seconds=round(history[-1]["seconds"], 2), finished=True)
    fabric.barrier()


def _fabric(**options: Any) -> Fabric:
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces the precision; run.json says it
    try:
        return Fabric(accelerator="auto", **options)
    except Exception as error:  # Fabric's own kinds, for what this machine does not have
        raise ValueError(f"This machine cannot be set up as asked ({error}); see --devices and --precision.") from error


def _precision(resumed: Path | None) -> str:
    """bfloat16 where it was measured to be faster: 1.4 to 1.6 times on a CPU that has it, 3 to 16 times slower on others."""
    if resumed and (resumed / "run.json").exists():
        return str(Run(resumed).info.get("precision", "32-true"))
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    instructions = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile"))
    return "bf16-mixed" if any(has() for has in instructions if has) else "32-true"


# --- what a step is made of --------------------------------------------------------------------------------------------


def _parameter_groups(model: nn.Module) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels only."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _learning_rate(step: int, total: int, a: Mapping[str, Any]) -> float:
    """Linear warm-up, then a cosine to zero."""
    peak = a["learning_rate"] * math.sqrt(a["batch_size"] / 256)
    warm_up = max(1, round(WARM_UP * total))
    if step < warm_up:
        return peak * (step + 1) / warm_up
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, total - warm_up)))


def _generator(fabric: Fabric, seed: int, step: int) -> torch.Generator:
    """All randomness of one step on this device: the views', and through the global one (forked here) dropout's."""
    mixed = np.random.SeedSequence([seed, step, fabric.global_rank]).generate_state(2, np.uint64)
    torch.manual_seed(int(mixed[0] >> np.uint64(1)))
    return torch.Generator(fabric.device).manual_seed(int(mixed[1] >> np.uint64(1)))


# --- what is looked at during training ---------------------------------------------------------------------------------


# --- what is written ---------------------------------------------------------------------------------------------------
