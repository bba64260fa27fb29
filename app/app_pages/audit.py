import streamlit as st
from sections.audit import partners, read, report_of
from state.selection import chosen, labels

from sslviz.reports.audit.plan import MAPPED, make_plan

choice = chosen()
columns = labels(choice)
if len(columns) < 2:
    st.info(
        "An audit is about two columns: one to be read from the features, and one that should not matter. Describe the "
        "images in a metadata.csv with a column for each, and diagnose again.",
        icon=":material/label_off:",
    )
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
    st.info("Choose at least one column that should not matter.", icon=":material/arrow_upward:")
    st.stop()
plan = make_plan(
    next(iter(choice.evidence.values())).features.table,
    label=label,
    attributes=attributes,
    partners=partners(choice, label, attributes),
    intended_use=(use or "").strip(),
    maps=MAPPED if maps else 0,
)
report = report_of(choice, plan)
if report:
    read(choice, report)
