"""A run from an encoder that something else trained."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from sslviz.runs.run import Run


def import_checkpoint(
    encoder: str,
    *,
    out: str | Path,
    weights: str | Path | None = None,
    pretrained: bool = False,
    image_size: int | None = None,
    key: str | None = None,
    allow_unused: bool = False,
) -> tuple[Run, Any]:
    """How do I look at an encoder that is not ours?

    - encoder: any timm name, or a preset
    - out: the run folder to write
    - weights: a file of weights, the index of several shards, or a folder with one of these
    - pretrained: take timm's own weights instead
    - image_size: pixels (default: what the model was published for)
    - key: which of several networks in the file, e.g. "student" (default: the one that its paper evaluates)
    - allow_unused: go on if something in the encoder's own part of the file has no place in it

    Returns the run with its one checkpoint, and the report of what matched and what did not, which run.json keeps too.
    ValueError, and no folder, for weights of another architecture, truncated files and pickles with code.

    Example:
        >>> import tempfile, safetensors.torch, sslviz
        >>> folder = tempfile.TemporaryDirectory()
        >>> safetensors.torch.save_file(sslviz.create_encoder("conv_nano").state_dict(), f"{folder.name}/weights.safetensors")
        >>> run, report = sslviz.import_checkpoint(
        ...     "conv_nano", weights=f"{folder.name}/weights.safetensors", out=f"{folder.name}/mine"
        ... )
        >>> run.name, run.last.step
        ('mine', 0)
    """
    from sslviz.encoders import create_encoder
    from sslviz.encoders.weights import load_weights

    if (weights is None) == (not pretrained):
        raise ValueError("Say where the weights come from: either --weights FILE or --pretrained.")
    net = create_encoder(encoder, pretrained=pretrained, image_size=image_size)
    report = (
        load_weights(net, weights, key=key, allow_unused=allow_unused)
        if weights
        else f"timm's own weights of {encoder}."
    )
    arguments = {"encoder": encoder, "weights": str(weights) if weights else "timm", "image_size": net.image_size}
    understood = {"import": report.to_dict()} if not isinstance(report, str) else {}
    run = Run.create(
        out, {"kind": "import", "arguments": arguments, "encoder": net.spec, "finished": True, **understood}
    )
    try:
        run.save_checkpoint(0, {f"encoder.{name}": tensor for name, tensor in net.state_dict().items()})
    except BaseException:
        shutil.rmtree(run.path)
        raise
    return run, report
