"""Commands that make an encoder smaller or take it elsewhere: distil, export."""

from __future__ import annotations

from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from sslviz.cli.arguments import Spec, loaded_images
from sslviz.cli.options import options_of

if TYPE_CHECKING:
    from sslviz.runs import Checkpoint

Step = Annotated[int | None, arg(metavar="INT", help="The step of the run to take; without it, the last.")]


@dataclass
class Distil:
    """Train a smaller encoder to give what a run's last one gives; the student becomes a run of its own."""

    @classmethod
    def with_options(cls) -> type[Distil]:
        """The command with its options, those of `distil`; only this loads torch."""
        from sslviz.transfer.distil import distil

        own: list[Any] = [("run", Positional[Path]), ("images", Spec), *options_of(distil), ("step", Step, None)]
        return make_dataclass("Distil", own, bases=(cls,), namespace={"__doc__": cls.__doc__}, kw_only=True)

    def __call__(self) -> None:
        from sslviz.evaluation.questions import trained_and_watched
        from sslviz.transfer.distil import distil

        options = dict(vars(self))
        teacher = _checkpoint(options.pop("run"), options.pop("step"))
        images, held_out, said = trained_and_watched(loaded_images(options.pop("images"), None))
        print(said, flush=True)
        run = distil(teacher, images, held_out=held_out, **options)
        print(
            f"{run.path}: {len(run.checkpoints)} checkpoints, the last at step {run.last.step}, taught by {teacher.run}."
        )


@dataclass
class Export:
    """Write a run's encoder as an ONNX file, after checking that it gives the same features."""

    run: Positional[Path]
    onnx: Path
    """The file to write, e.g. encoder.onnx."""
    images: Spec | None = None
    """Pictures to check it on; without it, drawn ones."""
    step: Step = None

    def __call__(self) -> None:
        from sslviz.transfer.export import export_onnx

        checkpoint = _checkpoint(self.run, self.step)
        images = loaded_images(self.images, int(checkpoint.config["image_size"])) if self.images else None
        print(export_onnx(checkpoint, self.onnx, images=images))


def _checkpoint(path: Path, step: int | None) -> Checkpoint:
    """The checkpoint of this step, or the last; ValueError, with the steps there are, for another."""
    from sslviz.runs import Run

    run = Run(path)
    if step is None:
        return run.last
    steps = {checkpoint.step: checkpoint for checkpoint in run.checkpoints}
    if step not in steps:
        raise ValueError(f"{path} holds no checkpoint of step {step}; it holds: {', '.join(map(str, steps))}.")
    return steps[step]
