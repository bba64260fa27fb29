"""Commands that write a report: what encoders go by, and whether they may be relied on."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from sslviz.cli.arguments import Cache, Precision, Spec, loaded_images, opened_runs, target_images
from sslviz.cli.on_images import OnImages, Quick


@dataclass
class Explain:
    """Write one HTML page of what runs go by: maps of images beside their evidence and controls; print the scores."""

    run: Positional[list[Path]]
    images: Spec
    out: Path
    """The page to write, e.g. maps.html; it needs no network."""
    ids: Annotated[list[str], arg(metavar="ID ...")] = field(default_factory=list)
    """The images to show; without it, some of those that are scored."""
    method: str = "integrated_gradients"
    """See `sslviz list maps`."""
    target: str | None = None
    """What is explained: self, self_cosine, loss, unit:N, component:N, similarity:ID or, against the others, COLUMN=VALUE."""
    precision: Precision = "auto"
    seed: int = 0
    quick: Annotated[bool, arg(help="Measure on 8 pictures, the fewest that an interval needs, not on 16.")] = False
    cache: Cache = None

    def __call__(self) -> None:
        from sslviz.cli.tables import print_scores
        from sslviz.evaluation.quick import QUICK_PICTURES
        from sslviz.reports.explain.explain import MEASURED, PAIRED, chosen, explain
        from sslviz.reports.explain.page import explain_page
        from sslviz.runs import largest_image_size
        from sslviz.runtime.files import atomic_write, check_file

        if not self.run:
            raise ValueError(
                "Name at least one run folder: `sslviz explain runs/simclr --images shapes --out maps.html`."
            )
        if self.out.exists() or self.out.suffix != ".html":
            problem = "already exists" if self.out.exists() else "does not end in .html"
            raise ValueError(f"The page to write, {self.out}, {problem}; choose another --out.")
        check_file(self.out)
        runs = opened_runs(self.run, self.cache)
        everything = loaded_images(self.images, largest_image_size(runs))
        most = QUICK_PICTURES if self.quick else MEASURED
        images, shown = chosen(everything, self.ids, most=most)
        if self.quick:
            print(f"Quick: measured on {len(images)} pictures; without --quick on {MEASURED}.", flush=True)
        asked: dict[str, Any] = {"method": self.method, "target": self.target, "everything": everything}
        found = explain(runs, images, **asked, precision=self.precision, seed=self.seed)
        said = [one.sentence(name) for name, one in found.items()]
        print_scores({name: one.results() for name, one in found.items()}, [*said, PAIRED])
        command = shlex.join(["sslviz", *sys.argv[1:]])
        with atomic_write(self.out) as file:
            file.write(explain_page(found, images, shown=shown, command=command).encode())
        print(f"{self.out}: {len(images)} images, {', '.join(found)}.")


@dataclass(kw_only=True)
class Audit(OnImages):
    """Write a report to sign: what was found in runs, what was not, and what could not have been (JSON and HTML)."""

    run: Positional[list[Path]] = field(default_factory=list)
    images: Spec = ""
    out: Path = Path("report.html")
    """The page to write; report.json is written beside it, and first."""
    config: Path | None = None
    """The plan (TOML): label, attributes, intended_use, ...; without it, all columns are asked about."""
    label: str | None = None
    """The column that is to be read; without it, the plan's, or the one called label."""
    attribute: list[str] = field(default_factory=list)
    """Columns that should not matter; without it, the plan's, or all others with classes."""
    precision: Precision = "auto"
    quick: Quick = False
    gate: Path | None = None
    """Conditions (TOML) that the report is to meet; if not, the failed ones are listed and the exit code is 1."""
    diff: Annotated[tuple[Path, Path] | None, arg(metavar="BEFORE.json AFTER.json")] = None
    """Audit nothing: say what changed between two reports."""

    def __call__(self) -> None:
        from sslviz.reports.audit.difference import difference
        from sslviz.reports.audit.gate import failures, read_gate, read_report, reservation

        if self.diff:
            before, after = map(read_report, self.diff)
            print("\n".join(difference(before, after)) or "Nothing changed.")
            return
        gate = read_gate(self.gate) if self.gate else {}
        report = self._report()
        print("\n".join(report["asked"]["lines"]), end="\n\n")
        for name, run in report["runs"].items():
            if run["stopped"]:
                print(f"{name}: {run['stopped']}; the audit stopped here, nothing else was asked.")
        if skipped := _skipped_lines(report["runs"]):
            print("\n".join(skipped), end="\n\n")
        for one in report["findings"]:
            print(f"{one['run']}: {one['said']}")
        count = f"{len(report['findings'])} findings of {report['tests']} tests"
        print(f"{self.out}: {count if report['tests'] else 'nothing was tested'}.")
        failed = failures(report, gate)
        if gate and (said := reservation(report)):
            print(said)
        if failed:
            print("The gate is not passed:", *failed, sep="\n  ")
            raise SystemExit(1)

    def _report(self) -> dict[str, Any]:
        from sslviz.evaluation.quick import quick_sample
        from sslviz.reports.audit.audit import audit
        from sslviz.reports.audit.page import audit_page
        from sslviz.reports.audit.plan import read_plan, read_toml
        from sslviz.runtime.files import atomic_write

        written = self._files()
        planned = read_toml(self.config, "plan") if self.config else {}
        runs = self.opened()
        images, fit, inspection = self.scored(runs, self.group or str(planned.get("group") or ""))
        words = ("label", "attribute", "group", "target")
        said = {"attributes" if word == "attribute" else word: getattr(self, word) for word in words}
        given = {name: value for name, value in said.items() if value}
        plan = read_plan(self.config, images.table, None if fit is None else fit.table, **given)
        target = target_images(plan.target, runs) if plan.target else None
        sample = quick_sample(images, fit, target, label=plan.label) if self.quick else None
        if sample:
            images, fit, target = sample.images, sample.fit, sample.target
            print(sample.line, flush=True)
        asked: dict[str, Any] = {"plan": plan, "quick": sample, "inspection": inspection, "precision": self.precision}
        report = audit(runs, images, fit=fit, target=target, **asked)
        report["made"]["command"] = shlex.join(["sslviz", *sys.argv[1:]])
        for path, text in zip(written, (lambda: json.dumps(report), lambda: audit_page(report)), strict=True):
            with atomic_write(path) as file:
                file.write(text().encode())
        return report

    def _files(self) -> list[Path]:
        """The files to write, the JSON first; ValueError where they cannot be."""
        from sslviz.runtime.files import check_file

        if not self.run or not self.images:
            raise ValueError("Name runs and images: `sslviz audit runs/simclr --images shapes --out report.html`.")
        written = [self.out.with_suffix(".json"), self.out]
        if self.out.suffix != ".html" or any(path.exists() for path in written):
            problem = "already exists" if self.out.suffix == ".html" else "does not end in .html"
            raise ValueError(f"The report to write, {self.out}, {problem}; choose another --out.")
        check_file(self.out)
        return written


def _skipped_lines(runs: Mapping[str, Any]) -> list[str]:
    """A line for each reason why something was not asked; of a stopped audit its own line says so."""
    from sslviz.evaluation.omissions import reason_lines

    going = {name: run["skipped"] for name, run in runs.items() if not run["stopped"]}
    of: dict[tuple[str, str], list[str]] = {}
    for name, skipped in going.items():
        for omission in skipped:
            of.setdefault((omission["why"], omission["what"]), []).append(name)
    reasons: dict[str, list[str]] = {}
    for (why, what), names in of.items():  # a run is named where it is not so of all
        told = what if len(names) == len(runs) else f"{', '.join(names)}: {what}"
        reasons.setdefault(f"Not asked: {why}", []).append(told)
    return reason_lines(reasons)
