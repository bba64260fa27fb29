"""What stands on the Audit page?  The report that was made, or the button that makes it, and how it is read."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st
from components.diagnose_button import known
from components.html import literal
from components.image_picker import loaded
from components.progress import bar
from sections.bias import common_partners
from state.selection import Choice

from sslviz.data import Images
from sslviz.features.columns import partners_of
from sslviz.reports.audit.audit import audit
from sslviz.reports.audit.page import audit_page, findings_html, not_found_html, summary_html
from sslviz.reports.audit.plan import AuditPlan
from sslviz.reports.html_page import embedded

KEPT = 4  # reports that a session holds, each some megabytes


def report_of(choice: Choice, plan: AuditPlan) -> dict[str, Any] | None:
    """The report on the chosen checkpoints, images and plan; until it is made, a button that makes it, and None."""
    reports = st.session_state.setdefault("audits", {})
    checkpoints = tuple((name, choice.runs[name].last.digest) for name in choice.evidence)
    key = (checkpoints, choice.digest, plan.digest)
    if key not in reports:
        try:
            images, fit = _images(choice)
        except (ValueError, OSError) as error:
            st.markdown(f":material/terminal: {literal(str(error))} Where the images are, type:")
            st.code(command(choice), language="bash", wrap_lines=True)
            return None
        if not _wanted(len(checkpoints), len(images), plan.group):
            return None
        with bar("Asking every question"):
            made = audit([choice.runs[name] for name in choice.evidence], images, fit=fit, plan=plan)
        reports[key] = made
        for old in list(reports)[:-KEPT]:
            del reports[old]
        st.rerun()
    return reports[key]


def partners(choice: Choice, label: str, attributes: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """The pairs that were named on the Bias page, which are asked with here too; a line says which, or why not."""
    table = next(iter(choice.evidence.values())).features.table
    found: dict[str, Mapping[str, str]] = {}
    for attribute in attributes:
        pairs = common_partners(choice, f"{label}~{attribute}")
        try:
            if pairs:
                partners_of(table, label, attribute, pairs)
                found[attribute] = pairs
                said = ", ".join(f"{value} with {c}" for c, value in pairs.items())
                st.caption(
                    f":material/link: Asked as if the encoders had met {literal(said)}, as named on the Bias page."
                )
        except ValueError as error:
            st.caption(f":material/block: {literal(str(error))}")
    return found


def _wanted(checkpoints: int, images: int, group: str) -> bool:
    what = "this checkpoint" if checkpoints == 1 else f"these {checkpoints} checkpoints"
    pressed = st.button(f"Audit {what} on {images:,} images", type="primary", icon=":material/fact_check:")
    if group:
        st.caption(f":material/group_work: Images that share their {literal(group)} stay on one side of every split.")
    st.caption(
        "The first time it takes minutes for each. Every answer is kept in the run folder at once, so that a stopped audit "
        "goes on where it was."
    )
    return pressed


def command(choice: Choice) -> str:
    """What to type for a report on the same checkpoints and images."""
    made = known(choice) or {}
    fit = ["--fit", made["fit_spec"]] if made.get("fit_spec") else []
    fit += ["--group", made["group"]] if made.get("group") else []
    paths = [str(choice.runs[name].path) for name in choice.evidence]
    return shlex.join(["sslviz", "audit", *paths, "--images", made.get("spec", "SPEC"), *fit, "--out", "report.html"])


def _images(choice: Choice) -> tuple[Images, Images | None]:
    """The images that the encoders are asked about, and those that probes are fitted on; ValueError where not at hand."""
    made = known(choice) or {}
    images = loaded(made.get("spec", ""), choice.digest or "")
    return images, loaded(made["fit_spec"], made["fit"]) if made.get("fit_spec") else None


def read(choice: Choice, report: dict[str, Any]) -> None:
    """The two files to keep, and what was found and what was not; or, where asked for, the whole report."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Download the report",
            lambda: audit_page(report),
            "report.html",
            "text/html",
            on_click="ignore",
            icon=":material/download:",
            help="One page that opens from disk, prints and needs no network; the one that `sslviz audit` writes.",
        )
        st.download_button(
            "report.json",
            lambda: json.dumps(report),
            "report.json",
            "application/json",
            on_click="ignore",
            icon=":material/data_object:",
            help="What the page is made from, and what `sslviz audit --diff` compares.",
        )
        whole = st.toggle("Show the whole report here", key="audit_whole")
    if whole:
        st.iframe(audit_page(report), height=900, alt="The whole report")
        return
    st.html(embedded(summary_html(report)))
    st.subheader("What was found?", anchor=False)
    st.html(embedded(findings_html(report, choice.colors, choice.dark)))
    st.subheader("What was not?", anchor=False)
    st.html(embedded(not_found_html(report)))
