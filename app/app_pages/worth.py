import streamlit as st
from sections import worth
from sections.columns import reasons
from sections.other_domain import target_box
from state.selection import chosen, labels

from sslviz.catalog import Entry, entries_on

groups: dict[str, list[Entry]] = {}  # the questions of this page, under the heading of each group
for entry in entries_on("worth"):
    groups.setdefault(entry.group, []).append(entry)

choice = chosen()
columns = labels(choice)
if not columns:
    st.info(
        "What features are worth is asked of a label, and these images have no column with classes. Sort them into class "
        "folders, or describe them in a metadata.csv, and diagnose again. Their cost can be measured all the same.",
        icon=":material/label_off:",
    )
    reasons(choice)

with st.container(horizontal=True, vertical_alignment="bottom"):
    label = worth.label_box(columns)
    group = st.pills("About", list(groups), default=next(iter(groups)), required=True, key="worth", bind="query-params")
words = st.container()  # filled at last: it rests on all groups, and what stands below need not wait for it
if any(entry.needs_target for entry in groups[group]):
    target_box(choice, label)
for entry in groups[group]:
    worth.question(choice, entry, label, columns)
with words:
    worth.in_words(choice, label, columns)
