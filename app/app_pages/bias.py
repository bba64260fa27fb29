import streamlit as st
from components.charts import section
from sections.bias import errors, pairs, partners, prepare
from state.selection import chosen, labels, results

from sslviz.catalog import entry

QUESTIONS = {
    "Is it used?": ("reliance", "counterfactual_effect"),
    "Who is served worse?": ("groups",),
    "Is it there?": ("mlp_probe", "selectivity", "description_length"),
    "What goes with it?": ("cooccurrence", "association", "retrieval"),
    "Where does it fail?": ("slices", "drift"),
    "Would a remedy help?": ("mitigation",),
}

choice = chosen()
columns = labels(choice)
if len(columns) < 2:
    st.info(
        "A bias is about two columns: a label, and an attribute that a readout of the label may lean on. Describe the images "
        "in a metadata.csv with a column for each, and diagnose again.",
        icon=":material/label_off:",
    )
    st.stop()

with st.container(horizontal=True, vertical_alignment="bottom"):
    label = st.segmented_control("Label", columns, default=columns[0], required=True, key="label", bind="query-params")
    others = [column for column in columns if column != label]
    attribute = st.segmented_control(
        "Attribute", others, default=others[0], required=True, key="attribute", bind="query-params"
    )
    asked = st.pills("Question", list(QUESTIONS), default="Is it used?", required=True, key="bias", bind="query-params")
prepare(choice)
under = {
    "reliance": lambda choice, found: partners(choice, found, label, attribute),
    "groups": errors,
    "counterfactual_effect": pairs,
}
for one in map(entry, QUESTIONS[asked]):
    st.subheader(one.question, anchor=False)
    found = results(choice, one.name, {"columns": (label, attribute), "label": label}.get(one.per, attribute))
    section(choice, one.name, found)
    if one.name in under:
        under[one.name](choice, found)
