"""The command `transfer`: what runs are worth downstream, where it takes training or the grid of an encoder to tell."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from sslviz.cli.arguments import Cache, Group, Spec, loaded_images, opened_runs, scored_images


@dataclass
class Transfer:
    """Fine-tune, segment, detect, time: what runs are worth downstream, beside controls; kept for the app."""

    run: Positional[list[Path]]
    images: Spec
    fit: Spec | None = None
    """Labelled images to train on; without it, the `probe` or `train` split, or a half of --images."""
    target: Spec | None = None
    """Images of another domain, for the questions that take some."""
    only: str | None = None
    """Questions, with commas between, e.g. fine_tune,segmentation; see `sslviz list transfer`."""
    label: str | None = None
    """The column that is learnt; without it, the first one with classes."""
    group: Group = None
    json: Path | None = None
    """Also write the scores to this file."""
    cache: Cache = None

    def __call__(self) -> None:
        from sslviz.cli.commands import ABOUT, scores_as_json
        from sslviz.cli.tables import print_scores
        from sslviz.evaluation.worth import left_out_of, named_transfers, prepared, worth
        from sslviz.runs import largest_image_size
        from sslviz.runtime.files import atomic_write, check_file

        if not self.run:
            raise ValueError("Name at least one run folder, e.g. `sslviz transfer runs/simclr --images shapes`.")
        if self.json:
            check_file(self.json)
        only = [name.strip() for name in self.only.split(",") if name.strip()] if self.only else None
        entries = named_transfers(only)
        runs = opened_runs(self.run, self.cache)
        images, fit, inspection = scored_images(self.images, self.fit, runs, self.group)
        target = loaded_images(self.target, largest_image_size(runs)) if self.target else None
        asked = prepared(images, fit, self.label, target)
        print("\n".join(inspection.source_lines))
        print(asked.sentence, end="\n\n", flush=True)
        results = worth(runs, images, fit=fit, only=only, label=self.label, target=target)
        print_scores(results, [])
        if self.json:
            about = inspection.to_dict() | {"left_out": left_out_of(asked, entries, results), "label": asked.label}
            with atomic_write(self.json) as file:
                file.write(json.dumps({**scores_as_json(results), ABOUT: about}, indent=1).encode())
