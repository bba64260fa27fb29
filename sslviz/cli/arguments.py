"""What several commands take: a text that means images, settings, a folder for what is computed, run folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import UseAppendAction, arg

if TYPE_CHECKING:
    from sslviz.data import Images
    from sslviz.evaluation.inspection import Inspection
    from sslviz.runs import Run

Spec = Annotated[
    str, arg(metavar="SPEC", help="shapes | shapes:n=8000,bias=0.95 | digits | folder:PATH | any timm dataset name")
]
Cache = Annotated[
    Path | None,
    arg(help="A folder for what is computed, instead of the run folders, which may then be read-only."),
]
Precision = Annotated[
    Literal["auto", "fp32", "bf16-mixed", "bf16"],
    arg(help="Of encoders: auto is what is stored already, else bf16 where that is faster and says the same as fp32."),
]
Settings = Annotated[
    UseAppendAction[list[str]],
    arg(
        metavar="NAME=VALUE",
        help="A setting of the method or of its views, e.g. temperature=0.2; may be repeated.",
    ),
]


Group = Annotated[
    str | None,
    arg(
        metavar="COLUMN",
        help="A column such as author or object: rows that share its value stay on one side of every split, and count as "
        "one in every interval.",
    ),
]


def loaded_images(spec: str, size: int | None) -> Images:
    """The images, and what their source was taken for in a few lines."""
    from sslviz.data import load_images

    images = load_images(spec, size)
    if images.reading is not None:
        print("\n".join(images.reading.lines))
    return images


def opened_runs(paths: Sequence[Path], cache: Path | None) -> list[Run]:
    """The runs; ValueError, before the images are loaded, for one that nothing was kept of and nothing can be."""
    from sslviz.runs import Run

    runs = [Run(path, cache=cache) for path in paths]
    for run in runs:
        if not any(run.places.find(name).exists() for name in ("features", "results")):
            run.check_writable()
    return runs


def target_images(spec: str, runs: Sequence[Run]) -> Images:
    """The images of another domain that are scored, and how many they are in a line: a split, as for the images."""
    from sslviz.evaluation.questions import scored_and_fit
    from sslviz.runs import largest_image_size

    everything = loaded_images(spec, largest_image_size(runs))
    images, _ = scored_and_fit(everything)
    some = f"{len(images):,} of {len(everything):,}" if len(images) < len(everything) else f"{len(images):,}"
    print(f"Target: {some} pictures of {images.spec or 'an array'}.")
    return images


def scored_images(
    spec: str, fit_spec: str | None, runs: Sequence[Run], group: str | None = None
) -> tuple[Images, Images | None, Inspection]:
    """The images that are scored, those that probes are fitted on, and what their source was taken for."""
    from sslviz.data import load_images
    from sslviz.evaluation.grouping import kept_together
    from sslviz.evaluation.inspection import inspect_images
    from sslviz.evaluation.questions import scored_and_fit
    from sslviz.runs import largest_image_size

    size = largest_image_size(runs)
    everything, own_fit = load_images(spec, size), load_images(fit_spec, size) if fit_spec else None
    everything = everything.grouped_by(group)
    images, fit = scored_and_fit(everything) if own_fit is None else (scored_and_fit(everything)[0], own_fit)
    images, fit = kept_together(images, fit, group or "")
    own_fit = None if own_fit is None else fit
    return images, fit, inspect_images(everything, own_fit, scored=images)
