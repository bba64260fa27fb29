import streamlit as st
from components.charts import chart
from components.diagnose_button import every_step
from components.html import literal
from sections.questions import questions
from state.cached import result, steps
from state.selection import chosen, results

from sslviz.figures.geometry import over_training

choice = chosen()
verdicts = results(choice, "collapse")
for name, verdict in verdicts.items():
    mark = ":green[:material/check_circle:]" if verdict.verdict == "healthy" else ":red[:material/error:]"
    st.markdown(f"{mark} **{literal(name)}**: {verdict.verdict}. {' '.join(verdict.reasons)}")
questions(choice, "collapse")

st.subheader("When did it happen?", anchor=False)
every_step(choice)
by_step = {name: steps(choice.runs[name], choice.digest) for name in choice.evidence}
moving = {name: evidences for name, evidences in by_step.items() if len(evidences) > 1}
if moving:
    used = {
        name: {step: result(choice.runs[name], "collapse", e).scores()["directions"] for step, e in evidences.items()}
        for name, evidences in moving.items()
    }
    chart(over_training.scores(used, name="directions in use", colors=choice.colors), choice, "directions_through")
    name = st.segmented_control(
        "Play the spectrum of",
        list(moving),
        default=next(iter(moving)),
        required=True,
        key="played",
        bind="query-params",
    )
    spectra = {step: result(choice.runs[name], "spectrum", e) for step, e in moving[name].items()}
    chart(over_training.spectra(spectra, color=choice.colors[name]), choice, "spectra_through")
