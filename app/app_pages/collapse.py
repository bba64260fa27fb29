import streamlit as st
from choice import chosen, results
from show import chart, literal

from sslviz.catalog import entry
from sslviz.figures.scores import score_bars

choice = chosen()
spectra = results(choice, "spectrum")

for name, spectrum in spectra.items():
    mark = ":green[:material/check_circle:]" if spectrum.verdict == "healthy" else ":red[:material/error:]"
    st.markdown(f"{mark} **{literal(name)}**: {spectrum.verdict}. {' '.join(spectrum.reasons)}")

chart(entry("spectrum").figure(spectra, colors=choice.colors), choice, "spectra")
scores = {name: spectrum.scores() for name, spectrum in spectra.items()}
chart(score_bars(scores, colors=choice.colors), choice, "spectrum_scores", caveat=entry("spectrum").caveat)
