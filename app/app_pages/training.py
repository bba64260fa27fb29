import streamlit as st
from components.charts import chart
from components.html import literal
from state.selection import chosen

from sslviz.figures.training import training

choice = chosen()
histories = {name: run.history for name, run in choice.runs.items() if run.history["epoch"].max() > 0}
if missing := choice.runs.keys() - histories.keys():
    st.caption(f"Without a training of their own to show: {literal(', '.join(sorted(missing)))}.")
if histories:
    chart(training(histories, colors=choice.colors), choice, "training")
    with st.expander("What they were trained with", icon=":material/tune:"):
        settings = {name: {k: str(v) for k, v in choice.runs[name].info["arguments"].items()} for name in histories}
        st.dataframe(settings, alt="Arguments of each training")
