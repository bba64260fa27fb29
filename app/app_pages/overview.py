import pandas as pd
import streamlit as st
from components.html import literal
from components.score_table import score_table
from sections.columns import source_of_images
from sections.ranking import ranking
from sections.run_sentences import collapses, lowest_loss, one_run, sentences
from state.selection import caution, chosen, everything

from sslviz.evaluation.ranking import all_scores
from sslviz.figures.parts.theme import MANY

choice = chosen()
answers = everything(choice)
found = {run: {key: result for key, (result, _) in of_run.items()} for run, of_run in answers.items()}
scored = {run: {key: one for key, (_, one) in of_run.items()} for run, of_run in answers.items()}
scores = all_scores(scored)
many = len(found) > MANY
histories = {name: choice.runs[name].history for name in found}
if many:
    collapses(choice, found)
else:
    sentences(choice, found)
lowest_loss(found, histories)
if said := caution(choice):
    st.caption(f":material/warning: {said}")
if many:
    ranking(choice, scores)
    one_run(choice, found)

with st.expander(f"The first scores of all {len(found)} runs", icon=":material/view_list:") if many else st.container():
    st.html(score_table(found, scored, histories, choice.colors, choice.dark))
    features = next(iter(choice.evidence.values())).features
    st.caption(
        "A dot is a value, the line through it its 95 % interval, a tick a control (hover to read it); grey: no better "
        f"than the strongest control. On {len(features):,} images {literal(features.source.get('spec', ''))}"
    )
if 1 < len(found) <= MANY:
    st.subheader("Which is best at what?", anchor=False)
    ranking(choice, scores)
    one_run(choice, found)

with st.expander("All scores", icon=":material/table_rows:"):
    table = pd.DataFrame(
        {"run": run, "diagnostic": diagnostic, "score": name, **score.to_dict()}
        for run, of_run in scored.items()
        for diagnostic, of_one in of_run.items()
        for name, score in of_one.items()
    )
    table["controls"] = table["controls"].map(lambda c: ", ".join(f"{name} {value:.3g}" for name, value in c.items()))
    st.dataframe(table, hide_index=True, alt="All scores beside their intervals and controls", key="all_scores")
    st.download_button("Download as CSV", table.to_csv(index=False), "scores.csv", icon=":material/download:")

source_of_images(choice)
