import streamlit as st
from components.charts import section
from components.diagnose_button import left_out
from state.selection import chosen, labels, results

from sslviz.catalog import CATALOG

choice = chosen()
columns = labels(choice)
without = [name for name, evidence in choice.evidence.items() if evidence.views is None or evidence.altered is None]
left_out(choice, without, "Views and altered pictures")
for one in (entry for entry in CATALOG if entry.page == "geometry"):
    st.subheader(one.question, anchor=False)
    if one.per != "label":
        section(choice, one.name, results(choice, one.name))
    elif columns:
        key = f"{one.name}_label"
        column = st.segmented_control("Label", columns, default=columns[0], required=True, key=key, bind="query-params")
        section(choice, one.name, results(choice, one.name, column))
    else:
        st.caption("These images have no column with classes to ask about.")
