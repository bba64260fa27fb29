import streamlit as st
from components.charts import chart
from components.html import literal
from sections import reconstruction, study
from state.selection import chosen

from sslviz.figures.training import loss_terms, term_columns, training

choice = chosen()
histories = {name: run.history for name, run in choice.runs.items() if run.history["epoch"].max() > 0}
if missing := choice.runs.keys() - histories.keys():
    st.caption(f"Without a training of their own to show: {literal(', '.join(sorted(missing)))}.")
if histories:
    chart(training(histories, colors=choice.colors), choice, "training")
    if any(map(term_columns, histories.values())):
        st.subheader("Which term of the loss falls?", anchor=False)
        chart(loss_terms(histories, colors=choice.colors), choice, "loss_terms")
    with st.expander("What they were trained with", icon=":material/tune:"):
        settings = {name: {k: str(v) for k, v in choice.runs[name].info["arguments"].items()} for name in histories}
        st.dataframe(settings, alt="Arguments of each training")
reconstruction.show(choice)
study.show()
