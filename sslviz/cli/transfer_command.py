"""The command `transfer`: what runs are worth downstream, where it takes training or the grid of an encoder to tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sslviz.cli.arguments import Precision
from sslviz.cli.on_images import Scored, named


@dataclass(kw_only=True)
class Transfer(Scored):
    """Fine-tune, segment, detect, time: what runs are worth downstream, beside controls; kept for the app."""

    only: str | None = None
    """Questions, with commas between, e.g. fine_tune,segmentation; see `sslviz list transfer`."""
    label: str | None = None
    """The column that is learnt; without it, the first one with classes."""
    precision: Precision = "auto"

    def __call__(self) -> None:
        from sslviz.cli.tables import print_scores
        from sslviz.evaluation.transfer_plans import plans_of, shortened_of
        from sslviz.evaluation.worth import left_out_of, named_transfers, precisions_of, prepared, worth

        self.check()
        only = named(self.only)
        entries = named_transfers(only)
        runs = self.opened()
        images, fit, inspection = self.scored(runs)
        target = self.elsewhere(runs)
        asked = prepared(images, fit, self.label, target, self.precision)
        print("\n".join(inspection.source_lines))
        print(asked.sentence, end="\n\n", flush=True)
        given: dict[str, Any] = {"fit": fit, "target": target, "precision": self.precision}
        results = worth(runs, images, only=only, label=self.label, **given)
        print_scores(results, [])
        about = {"left_out": left_out_of(asked, entries, results), "label": asked.label}
        about |= {"shortened": shortened_of(plans_of(runs, entries, asked)[0])}
        about |= {"precision": precisions_of(entries, results)}
        self.write(results, inspection.to_dict() | about)
