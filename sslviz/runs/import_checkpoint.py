"""A run from an encoder that something else trained."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sslviz.runs.preprocessing import preprocessing_lines
from sslviz.runs.run import Run, check_new_run

if TYPE_CHECKING:
    from sslviz.encoders import Encoder


@dataclass(frozen=True)
class ImportReport:
    """What was found in a file of weights, and how its pictures are fed.

    - weights: the LoadReport, whose fields are at hand here too; a sentence where the weights are timm's own
    - preprocessing: as run.json keeps it
    - encoder: with the weights in it; None where they cannot be taken
    - problem: why they cannot, and what to do; "" where they can
    """

    weights: Any
    preprocessing: Mapping[str, Any]
    encoder: Encoder | None = None
    problem: str = ""

    @property
    def lines(self) -> list[str]:
        """What a person reads: what matched and what did not, then a line for each value of the preprocessing."""
        problems = getattr(self.weights, "problems", ())  # `problem` says them
        found = [line for line in getattr(self.weights, "lines", [str(self.weights)]) if line not in problems]
        return [*found, *preprocessing_lines(self.preprocessing)]

    def to_dict(self) -> dict[str, Any]:
        """As run.json keeps it: what the report on the weights keeps, and the lines."""
        found = self.weights.to_dict() if hasattr(self.weights, "to_dict") else {}
        return {**found, "lines": self.lines}

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def __getattr__(self, name: str) -> Any:
        """`report.matched`, as the report of `load_weights` has it."""
        if name.startswith("__") or name == "weights":
            raise AttributeError(name)
        return getattr(self.weights, name)


def inspect_import(
    encoder: str,
    *,
    weights: str | Path | None = None,
    pretrained: bool = False,
    image_size: int | None = None,
    tag: str | None = None,
    mean: Sequence[float] | str | None = None,
    std: Sequence[float] | str | None = None,
    stem: str | None = None,
    interpolation: str | None = None,
    crop: float | None = None,
    crop_mode: str | None = None,
    key: str | None = None,
    allow_unused: bool = False,
    match: Literal["names", "order"] = "names",
) -> ImportReport:
    """What would be taken from this file, and how would its pictures be fed?  Nothing is written.

    The arguments are those of `import_checkpoint`.  What stands in the way is the report's `problem`.  ValueError where
    nothing can be said at all: for a file that cannot be read, an unknown encoder, a setting that makes no sense.

    Example:
        >>> import tempfile, safetensors.torch, sslviz
        >>> from sslviz.runs.import_checkpoint import inspect_import
        >>> file = tempfile.NamedTemporaryFile(suffix=".safetensors")
        >>> safetensors.torch.save_file(sslviz.create_encoder("conv_nano").state_dict(), file.name)
        >>> print("\\n".join(inspect_import("conv_nano", weights=file.name).lines[1:3]))
        mean 0.5 0.5 0.5, std 0.5 0.5 0.5: sslviz's default for presets
        input size 32 px: sslviz's default for presets
    """
    from sslviz.encoders.create import build_encoder, create_foreign
    from sslviz.encoders.libraries import is_foreign
    from sslviz.encoders.preprocessing import resolve
    from sslviz.encoders.stated import WeightsFile
    from sslviz.encoders.weights import inspect_weights, load_weights

    name, file = _tagged(encoder, tag), WeightsFile(weights) if weights else None
    if (weights is not None and pretrained) or (not weights and not pretrained and not is_foreign(name)):
        raise ValueError("Say where the weights come from: either --weights FILE or --pretrained.")
    given: dict[str, Any] = {"image_size": image_size, "mean": mean, "std": std, "stem": stem}
    given |= {"interpolation": interpolation, "crop": crop, "crop_mode": crop_mode}
    if is_foreign(name):  # without a file, its own weights: those at hand, or with --pretrained those of its library
        own = False if file else pretrained or None
        net, source = create_foreign(name, given, pretrained=own, file=file)
        problem = ""
    else:
        fed = resolve(name, given, file)
        net = build_encoder(name, fed, pretrained=pretrained, kernel=file.kernel if file else None)
        source, problem = f"timm's own weights of {name}", fed.problem
    stored = net.preprocessing.to_dict()
    if file is None:
        return ImportReport(f"{source[0].upper()}{source[1:]}." if is_foreign(name) else f"{source}.", stored, net)
    options: dict[str, Any] = {"key": key, "allow_unused": allow_unused, "match": match}
    found = inspect_weights(net, file.path, **options)
    if problem := " ".join(found.problems) or problem:
        return ImportReport(found, stored, problem=problem)
    return ImportReport(load_weights(net, file.path, **options), stored, net)


def _tagged(encoder: str, tag: str | None) -> str:
    """The name with timm's tag; ValueError for two tags, and for an encoder that has none."""
    from sslviz.encoders.libraries import is_foreign
    from sslviz.encoders.presets import PRESETS

    if tag is None:
        return encoder
    if is_foreign(encoder):
        raise ValueError(f"{encoder} is not timm's by name and has no tags; leave out --tag.")
    if encoder in PRESETS:
        raise ValueError(f"{encoder} is sslviz's own and has no tags; leave out --tag.")
    name, _, named = encoder.partition(".")
    if named and named != tag:
        raise ValueError(f"{encoder} names the tag {named!r}, and --tag {tag!r}; give one of them.")
    return f"{name}.{tag}"


def import_checkpoint(
    encoder: str,
    *,
    out: str | Path,
    weights: str | Path | None = None,
    pretrained: bool = False,
    image_size: int | None = None,
    tag: str | None = None,
    mean: Sequence[float] | str | None = None,
    std: Sequence[float] | str | None = None,
    stem: str | None = None,
    interpolation: str | None = None,
    crop: float | None = None,
    crop_mode: str | None = None,
    key: str | None = None,
    allow_unused: bool = False,
    match: Literal["names", "order"] = "names",
) -> tuple[Run, Any]:
    """How do I look at an encoder that is not ours?

    - encoder: as for `create_encoder`: any timm name, a preset, `torchvision/resnet50`, `transformers/./FOLDER`, `hf_hub:NAME`
      or `package.module:function`, a function of yours, whose network is taken with its weights where no file is named
    - out: the run folder to write
    - weights: a file of weights, the index of several shards, or a folder with one of these
    - pretrained: take timm's own weights instead, or those of the network's library
    - image_size: pixels (default: what the file tells, else what the model was published for)
    - tag: take mean, std and size from timm's configuration of this name: "dino" of `vit_small_patch16_224.dino`
    - mean, std, interpolation, crop, crop_mode: as for `create_encoder`, which says what they mean
    - stem: how a ResNet begins (default: as the shapes in the file tell)
    - key: which of several networks in the file, e.g. "student" (default: the one that its paper evaluates)
    - allow_unused: go on if something in the encoder's own part of the file has no place in it
    - match: "order" takes the tensors one after the other, whatever they are called, if kinds and shapes agree

    Returns the run with its one checkpoint, and a report of what matched, what did not, and how pictures are fed; print
    it.  ValueError, and no folder, for weights of another architecture, truncated files, and pickles with code.  Also
    for files whose names tell of another mean and std than the default: those have to be chosen.

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
    from sslviz.encoders.libraries import is_foreign

    settings: dict[str, Any] = {"tag": tag, "mean": mean, "std": std, "stem": stem}
    settings |= {"interpolation": interpolation, "crop": crop, "crop_mode": crop_mode}
    options: dict[str, Any] = {"weights": weights, "pretrained": pretrained, "image_size": image_size, **settings}
    check_new_run(Path(out))
    report = inspect_import(encoder, **options, key=key, allow_unused=allow_unused, match=match)
    net = report.encoder
    if net is None:
        raise ValueError(report.problem)
    arguments = {
        "encoder": encoder,
        "weights": str(weights) if weights else str(report.weights) if is_foreign(encoder) else "timm",
        "image_size": net.image_size,
    }
    arguments |= {key: value for key, value in settings.items() if value is not None}
    info = {"kind": "import", "arguments": arguments, "encoder": net.spec, "preprocessing": report.preprocessing}
    run = Run.create(out, {**info, "import": report.to_dict(), "finished": True})
    try:
        run.save_checkpoint(0, {f"encoder.{name}": tensor for name, tensor in net.state_dict().items()})
    except BaseException:  # an interrupt too leaves no half of a run; it is raised again
        shutil.rmtree(run.path)
        raise
    return run, report
