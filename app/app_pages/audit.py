import streamlit as st
from sections.audit import partners, read, report_of
from sections.columns import reasons
from state.selection import chosen, labels

from sslviz.reports.audit.plan import MAPPED, make_plan

choice = chosen()
columns = labels(choice)
if not columns:
    st.info(
        "An audit reads a column from the features, and asks about others that should not matter. These images have no "
        "column with classes: describe them in a metadata.csv, and diagnose again.",
        icon=":material/label_off:",
    )
    reasons(choice)
    st.stop()

with st.container(border=True):
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = st.segmented_control(
            "To be read from it", columns, default=columns[0], required=True, key="audit_label", bind="query-params"
        )
        others = [column for column in columns if column != label]
        attributes = st.pills(
            "Should not matter",
            others,
            selection_mode="multi",
            default=others,
            key=f"attributes_{label}",
            bind="query-params",
        )
        maps = st.toggle(
            "Maps",
            True,
            key="audit_maps",
            bind="query-params",
            help=f"Explains {MAPPED} of the images by maps and measures whether these are true.",
        )
    use = st.text_input(
        "Intended use",
        key="intended_use",
        bind="query-params",
        max_chars=500,
        placeholder="What the encoder is to be used for, in a sentence. It heads the report.",
    )
if not attributes:
    st.caption("No column that should not matter is chosen: questions about attributes will be listed as not asked.")
evidence = next(iter(choice.evidence.values()))
plan = make_plan(
    evidence.features.table,
    None if evidence.fit is None else evidence.fit.table,
    label=label,
    attributes=list(attributes),
    partners=partners(choice, label, attributes),
    intended_use=(use or "").strip(),
    maps=MAPPED if maps else 0,
    group=evidence.group,
)
report = report_of(choice, plan)
if report:
    read(choice, report)
