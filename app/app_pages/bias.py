import streamlit as st
from sections.bias import prepare, under
from sections.columns import reasons
from sections.questions import question
from state.selection import chosen, labels

from sslviz.catalog import Entry, entries_on

groups: dict[str, list[Entry]] = {}  # the questions of this page, under the heading of each group
for entry in entries_on("bias"):
    groups.setdefault(entry.group or "More", []).append(entry)

choice = chosen()
columns = labels(choice)
if len(columns) < 2:
    st.info(
        "A bias is about two columns: a label, and an attribute that a readout of the label may lean on. Describe the images "
        "in a metadata.csv with a column for each, and diagnose again.",
        icon=":material/label_off:",
    )
    reasons(choice)
    st.stop()

with st.container(horizontal=True, vertical_alignment="bottom"):
    label = st.segmented_control("Label", columns, default=columns[0], required=True, key="label", bind="query-params")
    others = [column for column in columns if column != label]
    attribute = st.segmented_control(
        "Attribute", others, default=others[0], required=True, key="attribute", bind="query-params"
    )
    group = st.pills(
        "Question", list(groups), default=next(iter(groups)), required=True, key="bias", bind="query-params"
    )
prepare(choice)
for entry in groups[group]:
    question(choice, entry, label, attribute, extra=under(entry, label, attribute))
