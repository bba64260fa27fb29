"""The command `diagnose`: the catalog's questions put to runs, on all images or on a sample of them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import arg

from sslviz.cli.arguments import Precision
from sslviz.cli.on_images import Quick, Scored, named

if TYPE_CHECKING:
    from sslviz.data import Images
    from sslviz.runs import Run


@dataclass(kw_only=True)
class Diagnose(Scored):
    """Compute scores of runs beside their controls, print them, and store them for the app."""

    only: str | None = None
    """Diagnostics, with commas between, e.g. spectrum,linear_probe."""
    label: str | None = None
    """The column to probe; without it, every column that can be."""
    attribute: list[str] = field(default_factory=list)
    """Columns to ask about: is it in the features, does a probe of the label lean on it, who is served worse?"""
    partner: Annotated[list[str], arg(metavar="CLASS=VALUE ...")] = field(default_factory=list)
    """Which value of the attribute each class of the label may have been met with elsewhere, e.g. square=red circle=blue."""
    layout: Literal["umap", "umap-learn", "torchdr", "pca"] = "umap"
    """Who lays out the maps: our UMAP, the package umap-learn, TorchDR (an extra), or principal components."""
    precision: Precision = "auto"
    every: bool = False
    """All checkpoints of each run, not only the last: how the scores went through training."""
    quick: Quick = False

    def __call__(self) -> None:
        from sslviz.cli.tables import print_scores, print_through_training
        from sslviz.data.duplicates import CopiesWarning
        from sslviz.evaluation.diagnose import diagnose
        from sslviz.evaluation.quick import quick_sample

        partners = self._partners()
        self.check()
        runs = self.opened()
        images, fit, inspection = self.scored(runs)
        target = self.elsewhere(runs)
        warnings.simplefilter("ignore", CopiesWarning)  # the lines that are printed next say it
        print("\n".join(inspection.lines if self.label is None else inspection.source_lines))
        about = inspection.to_dict()
        if self.quick:
            sample = quick_sample(images, fit, target, label=self.label)
            images, fit, target = sample.images, sample.fit, sample.target
            print(sample.line)
            about["quick"] = sample.to_dict()
        print(flush=True)
        asked: dict[str, Any] = {"label": self.label, "attribute": self.attribute, "partners": partners}
        given: dict[str, Any] = {"fit": fit, "target": target, "only": named(self.only), "precision": self.precision}
        results = diagnose(runs, images, layout=self.layout, every=self.every, **given, **asked)
        if self.every:
            print_through_training(results)
        print_scores({run.name: results[run.name] for run in runs})
        if self.quick:
            print(f"\n{sample.line}")  # again, as the scores are long
        if self.json:
            self.write(results, about | {"left_out": self._left_out(runs, images, fit, target, results)})

    def _left_out(
        self, runs: list[Run], images: Images, fit: Images | None, target: Images | None, results: dict[str, Any]
    ) -> dict[str, list[str]]:
        """{reason: the questions it holds for}, as the warnings have said it."""
        from sslviz.evaluation.omissions import left_out_reasons, pairs_named_before
        from sslviz.evaluation.questions import make_questions, named_entries

        asked: dict[str, Any] = {"label": self.label, "attributes": self.attribute, "target": target}
        questions = make_questions(named_entries(named(self.only)), images, fit, **asked)
        pairs = {f"{self.label}~{attribute}" for attribute in self._partners()}
        return left_out_reasons(questions, images, fit, results) | pairs_named_before(questions, runs, images, pairs)

    def _partners(self) -> dict[str, dict[str, str]]:
        if not self.partner:
            return {}
        if len(self.attribute) != 1 or not all("=" in pair for pair in self.partner):
            raise ValueError(
                "Partners are of one attribute, and each is written as CLASS=VALUE: --label shape --attribute color "
                "--partner square=red circle=blue."
            )
        return {self.attribute[0]: dict(pair.split("=", 1) for pair in self.partner)}
