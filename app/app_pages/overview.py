from html import escape

import pandas as pd
import streamlit as st
from components.html import dot, literal
from components.score_table import score_table
from sections.columns import source_of_images
from state.selection import caution, chosen, everything

from sslviz.catalog import find_entry
from sslviz.evaluation.summary import statements

TONES = {"good": "green", "bad": "red", "neutral": "gray"}

choice = chosen()
found = everything(choice)
for name, results in found.items():
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        st.html(f"{dot(choice.colors[name])}<b>{escape(name)}</b>", width="content")
        for statement in statements(results):
            page = f"app_pages/{find_entry(statement.key.name).page}.py"
            st.page_link(page, label=f":{TONES[statement.tone]}[{literal(statement.text)}]")

histories = {name: choice.runs[name].history for name in found}
losses = {name: h["loss"].dropna().iloc[-1] for name, h in histories.items() if h["loss"].notna().any()}
lowest = min(losses, key=losses.get, default="")
verdict = getattr(found.get(lowest, {}).get("collapse"), "verdict", "healthy")
if len(losses) > 1 and verdict != "healthy":
    st.info(
        f"**{literal(lowest)}** ends with the lowest loss, {losses[lowest]:.2f}, and with a {verdict}: "
        "a loss does not say what an encoder is worth.",
        icon=":material/lightbulb:",
    )

if said := caution(choice):
    st.caption(f":material/warning: {said}")
st.html(score_table(found, histories, choice.colors, choice.dark))
features = next(iter(choice.evidence.values())).features
st.caption(
    "A dot is a value, the line through it its 95 % interval, a tick a control (hover to read it); grey: no better than "
    f"the strongest control. On {len(features):,} images {literal(features.source.get('spec', ''))}"
)

with st.expander("All scores", icon=":material/table_rows:"):
    table = pd.DataFrame(
        {"run": run, "diagnostic": diagnostic, "score": name, **score.to_dict()}
        for run, results in found.items()
        for diagnostic, result in results.items()
        for name, score in result.scores().items()
    )
    table["controls"] = table["controls"].map(lambda c: ", ".join(f"{name} {value:.3g}" for name, value in c.items()))
    st.dataframe(table, hide_index=True, alt="All scores beside their intervals and controls")
    st.download_button("Download as CSV", table.to_csv(index=False), "scores.csv", icon=":material/download:")

source_of_images(choice)
