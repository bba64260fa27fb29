"""Options that all commands share which ask runs something on images, and the JSON that scores are written to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from sslviz.cli.arguments import Cache, Group, Spec, opened_runs, scored_images, target_images

if TYPE_CHECKING:
    from sslviz.data import Images
    from sslviz.evaluation.inspection import Inspection
    from sslviz.runs import Run

ABOUT = "_images"  # beside the runs in the JSON: what the images were taken for, and what was left out
Quick = Annotated[
    bool,
    arg(
        help="Answer from a stated sample first: about 500 images scored and 500 fitted on, kept apart from those of all."
    ),
]


@dataclass(kw_only=True)
class OnImages:
    """What is asked of which runs, on which images."""

    run: Positional[list[Path]]
    images: Spec
    fit: Spec | None = None
    """Images to fit readouts on; without it, the `probe` or `train` split, or a stratified half of --images."""
    target: Spec | None = None
    """Images of another domain with the same labels: what does the shift cost?  Their `test` split, if there is one."""
    group: Group = None
    cache: Cache = None

    def opened(self) -> list[Run]:
        """The runs; ValueError where none is named."""
        if not self.run:
            command = type(self).__name__.lower()
            raise ValueError(f"Name at least one run folder, e.g. `sslviz {command} runs/simclr --images shapes`.")
        return opened_runs(self.run, self.cache)

    def scored(self, runs: list[Run], group: str | None = None) -> tuple[Images, Images | None, Inspection]:
        """The images that are scored, those fitted on, and what their source was taken for; `group` in place of its own."""
        return scored_images(self.images, self.fit, runs, group or self.group)

    def elsewhere(self, runs: list[Run]) -> Images | None:
        """The images of another domain, and how many they are in a line; None where none are named."""
        return target_images(self.target, runs) if self.target else None


@dataclass(kw_only=True)
class Scored(OnImages):
    """The same, with scores that are printed and may be written."""

    json: Path | None = None
    """Also write the scores to this file."""

    def check(self) -> None:
        """Asks before the work whether the file can be written; ValueError if not."""
        from sslviz.runtime.files import check_file

        if self.json:
            check_file(self.json)

    def write(self, results: dict[str, dict[str, Any]], about: dict[str, Any]) -> None:
        """Writes {run: {question: {score: its JSON form}}}, and what is said of the images, where a file is named."""
        from sslviz.runtime.files import atomic_write

        if not self.json:
            return
        scores = {
            run: {name: {k: s.to_dict() for k, s in result.scores().items()} for name, result in of_run.items()}
            for run, of_run in results.items()
        }
        with atomic_write(self.json) as file:
            file.write(json.dumps({**scores, ABOUT: about}, indent=1).encode())


def named(text: str | None) -> list[str] | None:
    """Names with commas between; None for none."""
    return [name.strip() for name in text.split(",") if name.strip()] if text else None
