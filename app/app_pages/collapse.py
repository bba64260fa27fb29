import streamlit as st
from components.charts import chart
from components.checkpoint_picker import run_box
from components.diagnose_button import every_step
from sections.questions import questions
from sections.run_sentences import collapse_verdicts
from state.cached import result, steps
from state.selection import chosen, results

from sslviz.figures.geometry import over_training

choice = chosen()
verdicts = results(choice, "collapse")
collapse_verdicts(choice, verdicts)
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
    name = run_box("Play the spectrum of", list(moving), "played")
    spectra = {step: result(choice.runs[name], "spectrum", e) for step, e in moving[name].items()}
    chart(over_training.spectra(spectra, color=choice.colors[name]), choice, "spectra_through")
