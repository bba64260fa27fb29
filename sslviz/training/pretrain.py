"""How is an encoder pretrained?  THE loop: one file, read from top to bottom.

Pixels lie on the device as one uint8 tensor, views are made there, all views go through the encoder in one call, and
nothing inside a step waits for the device.  Every random choice of a step is a function of (seed, step), so a run
that was killed and resumed takes the same steps as one that was not; on a CPU its weights are the same bit for bit.
"""

from __future__ import annotations

import copy
import dataclasses
import fcntl
import io
import json
import logging
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from sslviz.data import Images
from sslviz.diagnostics.geometry.spectrum import spectrum
from sslviz.diagnostics.probes.probe import knn_probe
from sslviz.encoders import create_encoder
from sslviz.features import Features
from sslviz.features.columns import stratified_half
from sslviz.features.embed import embed_pixels
from sslviz.methods import build_method
from sslviz.runs import Run
from sslviz.runtime.files import atomic_write, sweep
from sslviz.runtime.progress import progress_bar
from sslviz.training.batches import batches_on
from sslviz.views import ViewPolicy

HELD_OUT = 2000  # images at most that the evaluations during training look at
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
        images, held_out = _hold_out(images, seed)
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
        run = _open(fabric, Path(out), json.loads(json.dumps(info)), resume)
        with _only_one(fabric, run):
            _train(fabric, run, model, policy, images, held_out, checkpoint_every, progress)
    return Run(run.path)


def _train(
    fabric: Fabric, run: Run, model: nn.Module, policy: ViewPolicy, images: Images, held_out: Images,
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

    state = _load_resume(run, model, optimizer) or {"epoch": 0, "rows": [], "seconds": 0.0}
    done, rows, began = state["epoch"], state["rows"], time.perf_counter() - state["seconds"]
    if done == a["epochs"]:
        if fabric.is_global_zero:
            run.update(seconds=round(state["seconds"], 2), finished=True)
        return
    if done == 0:
        _checkpoint(fabric, run, model, 0)
        rows = [{"step": 0, "epoch": 0, "images": 0, "seconds": 0.0, **_evaluate(fabric, model, held_out, a["seed"])}]
        _write_history(fabric, run, rows)
    batches = batches_on(
        fabric.device, images.pixels, a["batch_size"], seed=a["seed"], epochs=range(done, a["epochs"]),
        rank=fabric.global_rank, world_size=fabric.world_size,
    )  # fmt: skip
    step = done * steps_per_epoch
    with progress_bar(run.name, total * a["batch_size"], "images", shown=progress and fabric.is_global_zero) as advance:
        advance(step * a["batch_size"])
        for epoch in range(done + 1, a["epochs"] + 1):
            model.train()
            epoch_began, loss_sum = time.perf_counter(), torch.zeros((), device=fabric.device)
            for _ in range(steps_per_epoch):
                generator = _generator(fabric, a["seed"], step)
                views = policy(next(batches), generator)
                with fabric.autocast():  # on a single device Fabric does not see to it for methods other than forward
                    loss = ddp.loss(views)
                fabric.backward(loss)
                for group in optimizer.param_groups:
                    group["lr"] = _learning_rate(step, total, a)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                update_ema(model, step / total)
                loss_sum += loss.detach()
                step += 1
                advance(a["batch_size"])
            mean_loss = float(loss_sum) / steps_per_epoch  # the one wait for the device in an epoch
            if not math.isfinite(mean_loss):
                raise ValueError(
                    f"The loss stopped being a number in epoch {epoch} of {run.name}; lower --learning-rate or use "
                    "--precision 32-true. The checkpoints before it are kept."
                )
            rows.append({
                "step": step, "epoch": epoch, "images": step * a["batch_size"], "loss": mean_loss,
                "lr": _learning_rate(step - 1, total, a),
                "images_per_second": steps_per_epoch * a["batch_size"] / (time.perf_counter() - epoch_began),
            })  # fmt: skip
            if epoch % a["eval_every"] == 0 or epoch == a["epochs"]:
                rows[-1] |= _evaluate(fabric, model, held_out, a["seed"])
            rows[-1]["seconds"] = time.perf_counter() - began
            advance(0, note=_note(rows[-1]))
            _write_history(fabric, run, rows)
            if epoch % checkpoint_every == 0 or epoch == a["epochs"]:
                _checkpoint(fabric, run, model, step)
            _save_resume(fabric, run, model, optimizer, {"epoch": epoch, "rows": rows, "seconds": rows[-1]["seconds"]})
    if fabric.is_global_zero:
        run.update(seconds=round(rows[-1]["seconds"], 2), finished=True)
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


@torch.no_grad()
def update_ema(model: Any, progress: float) -> None:
    """Moves each target a little towards its online twin; the momentum rises to 1 on a cosine (arXiv 2006.07733, §3.2)."""
    for target, online in getattr(model, "ema", {}).items():
        momentum = 1 - (1 - model.momentum) * (math.cos(math.pi * progress) + 1) / 2
        a, b = getattr(model, target), getattr(model, online)
        torch._foreach_lerp_(list(a.parameters()), list(b.parameters()), 1 - momentum)
        for x, y in zip(a.buffers(), b.buffers(), strict=True):
            x.copy_(y)


def _generator(fabric: Fabric, seed: int, step: int) -> torch.Generator:
    """All randomness of one step on this device: the views', and through the global one (forked here) dropout's."""
    mixed = np.random.SeedSequence([seed, step, fabric.global_rank]).generate_state(2, np.uint64)
    torch.manual_seed(int(mixed[0] >> np.uint64(1)))
    return torch.Generator(fabric.device).manual_seed(int(mixed[1] >> np.uint64(1)))


# --- what is looked at during training ---------------------------------------------------------------------------------


def _hold_out(images: Images, seed: int) -> tuple[Images, Images]:
    """A tenth of the images, at most `HELD_OUT`, is kept from training."""
    order = np.random.default_rng(seed).permutation(len(images))
    n = min(HELD_OUT, max(1, len(images) // 10))
    return images.rows(np.sort(order[n:]), images.spec), images.rows(np.sort(order[:n]), images.spec)


def _evaluate(fabric: Fabric, model: Any, held_out: Images, seed: int) -> dict[str, float]:
    """kNN accuracy (half of the held-out images vote on the other half), RankMe and std, on the first device only."""
    row: dict[str, float] = {}
    if fabric.is_global_zero:
        # A sample, not the first ones: folders come class by class.
        keep = np.sort(np.random.default_rng(seed).permutation(len(held_out))[:HELD_OUT])
        x = embed_pixels(model.encoder, held_out.pixels[keep])
        if not np.isfinite(x).all():
            raise ValueError(
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


def _note(row: Mapping[str, float]) -> str:
    parts = {"loss": "loss {:.3f}", "knn": "kNN {:.2f}", "rankme": "rank {:.0f}"}
    return " · ".join(text.format(row[name]) for name, text in parts.items() if name in row)


# --- what is written ---------------------------------------------------------------------------------------------------


def _open(fabric: Fabric, path: Path, info: dict[str, Any], resume: bool) -> Run:
    """Creates the run folder, or, to resume, opens it and makes sure that it was started with the same arguments."""
    if not fabric.is_global_zero:
        fabric.barrier()
        return Run(path)
    if resume and (path / "run.json").exists():
        run = Run(path)
        before = {**run.info.get("arguments", {}), "precision": run.info.get("precision")}
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
def _only_one(fabric: Fabric, run: Run) -> Iterator[None]:
    """Two processes must not train into one folder; the lock goes with the process, however it ends."""
    if not fabric.is_global_zero:
        yield
        return
    with open(run.path / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"Another process is training into {run.path} right now; wait for it, or stop it."
            ) from None
        for folder in (run.path, run.path / "checkpoints"):
            sweep(folder)
        yield


def _write_history(fabric: Fabric, run: Run, rows: list[dict[str, Any]]) -> None:
    if fabric.is_global_zero:
        floor = rows[0].get("std")  # a trained encoder whose features spread less than untrained ones has collapsed
        run.write_history([{**row, "std_floor": floor} for row in rows])


def _checkpoint(fabric: Fabric, run: Run, model: nn.Module, step: int) -> None:
    """The encoder and its projector; targets of an EMA are the optimiser's business and go into resume.pt."""
    if fabric.is_global_zero:
        targets = tuple(f"{name}." for name in getattr(model, "ema", {}))
        run.save_checkpoint(step, {k: v for k, v in model.state_dict().items() if not k.startswith(targets)})


def _save_resume(fabric: Fabric, run: Run, model: nn.Module, optimizer: Any, state: dict[str, Any]) -> None:
    if fabric.is_global_zero:
        buffer = io.BytesIO()  # torch.save straight to a full disk raises an error of its own, which names no file
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), **state}, buffer)
        with atomic_write(run.path / "resume.pt") as file:
            file.write(buffer.getbuffer())


def _load_resume(run: Run, model: nn.Module, optimizer: Any) -> dict[str, Any] | None:
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
