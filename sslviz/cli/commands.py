"""Commands about runs: a class for each, whose fields are its options."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from sslviz.cli.arguments import Cache, Group, Precision, Settings, Spec, loaded_images, opened_runs
from sslviz.cli.options import options_of, parse_settings
from sslviz.runtime.devices import speaks


@dataclass
class Pretrain:
    """Pretrain an encoder on images, without labels."""

    @classmethod
    def with_options(cls) -> type[Pretrain]:
        """The command with its options, those of `pretrain`; only this loads torch."""
        from sslviz.training.pretrain import pretrain

        own: list[Any] = [("images", Spec), *options_of(pretrain), ("set", Settings, field(default_factory=list))]
        own.append(("start", Annotated[Path | None, arg(help="A run whose last weights it begins with.")], None))
        return make_dataclass("Pretrain", own, bases=(cls,), namespace={"__doc__": cls.__doc__}, kw_only=True)

    def __call__(self) -> None:
        from sslviz.data import load_images
        from sslviz.evaluation.questions import trained_and_watched
        from sslviz.training.pretrain import pretrain

        options = dict(vars(self))
        start = options.pop("start")
        options["start"] = opened_runs([start], None)[0].last if start else None
        everything, settings = load_images(options.pop("images")), parse_settings(options.pop("set"))
        images, held_out, said = trained_and_watched(everything)
        if speaks():
            print("\n".join([*(everything.reading.lines if everything.reading else []), said]), flush=True)
        run = pretrain(images, settings=settings, held_out=held_out, **options)
        if speaks():
            print(f"{run.path}: {len(run.checkpoints)} checkpoints, the last at step {run.last.step}.")


@dataclass
class Import:
    """Bring in an encoder that something else trained."""

    encoder: str
    """Any timm model, torchvision/NAME, transformers/NAME or transformers/./FOLDER, hf_hub:NAME, or package.module:function."""
    out: Path | None = None
    """The run folder to write; only --dry-run goes without."""
    weights: Path | None = None
    """A file of weights, the index of several shards, or a folder with one of these; without it, --pretrained."""
    match: Literal["names", "order"] = "names"
    """order: take the tensors of the file one after the other, whatever they are called, if kinds and shapes agree."""
    pretrained: bool = False
    """The weights that timm, or the network's own library, publishes."""
    image_size: int = 0
    """The pictures' side in pixels the encoder is to see; 0: what the file tells, else the model's own."""
    tag: str | None = None
    """timm's tag whose mean, std and size are taken, e.g. dino for vit_small_patch16_224.dino."""
    mean: Annotated[list[str], arg(metavar="R G B|imagenet|inception|clip")] = field(default_factory=list)
    """What pixels from 0 to 1 are normalised with; a word says std too.  Without it, what the file says, else timm."""
    std: Annotated[list[str], arg(metavar="R G B|imagenet|inception|clip")] = field(default_factory=list)
    """What the difference from the mean is divided by."""
    stem: str | None = None
    """How a ResNet begins: standard, low-resolution, solo-learn, 3x3-maxpool, or 7x7,stride=1,padding=3,no-maxpool."""
    interpolation: Literal["bilinear", "bicubic", "nearest"] | None = None
    """How pictures of another size are brought to the encoder's; without it, as stated beside the file, else bilinear."""
    crop: float = 0.0
    """The share of the side that is seen, its middle, e.g. 0.875; 0: the whole picture."""
    crop_mode: Literal["squash", "center"] | None = None
    """Bring both sides to the size (squash, without it), or the shorter one, and cut the longer (center)."""
    dry_run: bool = False
    """Say what is found in the file and how pictures would be fed, and write nothing."""
    key: Annotated[str | None, arg(name="from", metavar="KEY")] = None
    """Which of several networks in the file, e.g. student; without it, the one that its paper evaluates."""
    allow_unused: bool = False
    """Go on if something in the encoder's own part of the file has no place in it."""

    def __call__(self) -> None:
        from sslviz.runs.import_checkpoint import import_checkpoint, inspect_import
        from sslviz.runs.run import check_new_run

        options: dict[str, Any] = {**vars(self), "image_size": self.image_size or None, "crop": self.crop or None}
        options |= {"mean": _one_or_all(self.mean), "std": _one_or_all(self.std)}
        encoder, out = options.pop("encoder"), options.pop("out")
        if not options.pop("dry_run"):
            if out is None:
                raise ValueError("Name the run folder to write with --out, or only look with --dry-run.")
            run, report = import_checkpoint(encoder, out=out, **options)
            print(report)
            print(f"{run.path}: {self.encoder}, ready for `sslviz diagnose {run.path} --images ...`.")
            return
        if out is not None:
            check_new_run(out)
        found = inspect_import(encoder, **options)
        print(found)
        if found.problem:
            raise ValueError(found.problem)
        print(f"It can be imported as {self.encoder}; nothing was written, --dry-run.")


@dataclass
class Inspect:
    """Say what a source of images is taken for: pictures, files passed over, splits, columns; nothing is computed."""

    images: Positional[Spec]
    fit: Spec | None = None
    """As for `sslviz diagnose`."""
    group: Group = None
    json: Path | None = None
    """Also write it to this file."""

    def __call__(self) -> None:
        from sslviz.cli.tables import print_columns
        from sslviz.data import load_images
        from sslviz.evaluation.inspection import inspect_images
        from sslviz.features.column_kinds import left_out_lines
        from sslviz.runtime.files import atomic_write

        images, fit = load_images(self.images), load_images(self.fit) if self.fit else None
        images, fit = images.grouped_by(self.group), None if fit is None else fit.grouped_by(self.group)
        inspection = inspect_images(images, fit)
        print("\n".join(inspection.source_lines), end="\n\n")
        print_columns(inspection.column_rows)
        print("\n".join(left_out_lines(inspection.columns)))
        if self.json:
            with atomic_write(self.json) as file:
                file.write(json.dumps(inspection.to_dict(), indent=1).encode())


@dataclass
class Embed:
    """Embed images with a run's last checkpoint and store the features in the run."""

    run: Positional[Path]
    images: Spec
    layer: str = "pooled"
    precision: Precision = "auto"
    devices: int | str = 1
    """How many GPUs share the images, or auto."""
    cache: Cache = None

    def __call__(self) -> None:
        from sslviz.features.stored import stored_embed
        from sslviz.runs import largest_image_size

        (run,) = opened_runs([self.run], self.cache)
        images = loaded_images(self.images, largest_image_size([run]))
        features = stored_embed(run, run.last, images, layer=self.layer, precision=self.precision, devices=self.devices)
        if not speaks():
            return
        stem = run.features_stem(run.last.key, images.digest, self.layer)
        what = f"{features.x.shape[0]:,} images x {features.x.shape[1]} dimensions of layer {self.layer}"
        print(f"{stem}.npy: {what}, in {features.source.get('precision', 'fp32')}.")


def _one_or_all(words: list[str]) -> str | list[str] | None:
    """A word as it is, several as a list, None for none."""
    return words[0] if len(words) == 1 else words or None
