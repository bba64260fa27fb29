"""The command `transfer`: what runs are worth downstream, where it takes training or the grid of an encoder to tell."""

from __future__ import annotations

from dataclasses import dataclass

from sslviz.cli.arguments import loaded_images
from sslviz.cli.on_images import Scored, named


@dataclass(kw_only=True)
class Transfer(Scored):
    """Fine-tune, segment, detect, time: what runs are worth downstream, beside controls; kept for the app."""

    only: str | None = None
    """Questions, with commas between, e.g. fine_tune,segmentation; see `sslviz list transfer`."""
    label: str | None = None
    """The column that is learnt; without it, the first one with classes."""

    def __call__(self) -> None:
        from sslviz.cli.tables import print_scores
        from sslviz.evaluation.worth import left_out_of, named_transfers, prepared, worth
        from sslviz.runs import largest_image_size

        self.check()
        only = named(self.only)
        entries = named_transfers(only)
        runs = self.opened()
        images, fit, inspection = self.scored(runs)
        # All of it, not only its scored split: what is known of the other domain may be fitted on too.
        target = loaded_images(self.target, largest_image_size(runs)) if self.target else None
        asked = prepared(images, fit, self.label, target)
        print("\n".join(inspection.source_lines))
        print(asked.sentence, end="\n\n", flush=True)
        results = worth(runs, images, fit=fit, only=only, label=self.label, target=target)
        print_scores(results, [])
        left_out = left_out_of(asked, entries, results)
        self.write(results, inspection.to_dict() | {"left_out": left_out, "label": asked.label})
