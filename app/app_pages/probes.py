import streamlit as st
from components.charts import chart
from components.checkpoint_picker import some_runs
from components.html import literal
from components.thumbnails import pictures
from sections.columns import reasons
from state.selection import caution, chosen, columns_of, labels, results

from sslviz.catalog import entries_on
from sslviz.diagnostics.probes.probe import Probe
from sslviz.evaluation.ranking import ranked
from sslviz.figures.parts.theme import MANY
from sslviz.figures.probes.probe import confusion

MOST = 4  # tables of confusions at once: each is a chart
CELL, BESIDE = 40, 220  # pixels that a number of the table needs, and that names and shares take beside all of them

choice = chosen()
columns = labels(choice)
if not columns:
    st.info(
        "Nothing is known of these images that could be decoded: there is no column with classes. Sort them into class "
        "folders, or describe them in a metadata.csv, and diagnose again.",
        icon=":material/label_off:",
    )
    reasons(choice)
    st.stop()

with st.container(horizontal=True, vertical_alignment="bottom"):
    column = st.segmented_control("Label", columns, default=columns[0], required=True, key="label", bind="query-params")
    readouts = {entry.name: entry for entry in entries_on("probes")}
    readout = st.segmented_control(
        "Read by",
        list(readouts),
        default=next(iter(readouts)),
        required=True,
        key="readout",
        bind="query-params",
        format_func=lambda name: readouts[name].group or readouts[name].question,
    )
entry = readouts[readout]
probes = results(choice, readout, columns_of(entry, column))
if len(probes) > 1 and (said := caution(choice)):
    st.caption(f":material/warning: {said}")
if len(probes) > MANY:  # best first: names from a to z say nothing of so many
    probes = {
        name: probes[name] for name in ranked({name: next(iter(p.scores().values())) for name, p in probes.items()})
    }
chart(entry.figure(probes, colors=choice.colors), choice, "probe", caveat=entry.caveat)
if entry.result_type is not Probe:
    st.stop()

st.subheader("Which are taken for which?", anchor=False)
shown = some_runs("Of the runs", list(probes), MOST, "confusions")
width = max((CELL * len(probes[name].classes) for name in shown), default=0) + BESIDE
with st.grid(max(1, min(3, len(shown))), min_column_width=width):
    for name in shown:
        with st.container():
            st.markdown(f"**{literal(name)}**")
            chart(confusion(probes[name], color=choice.colors[name]), choice, f"confusion {name}", caveat=None)

if len(probes) > 1:
    st.subheader("Where do two runs differ?", anchor=False)
    ranked = sorted(probes, key=lambda name: probes[name].accuracy)
    with st.container(horizontal=True):
        right = st.selectbox("Read rightly by", ranked[::-1], key="right", bind="query-params")
        wrong = st.selectbox("but not by", [n for n in ranked if n != right], key="wrong", bind="query-params")
    a, b = probes[right], probes[wrong]
    if list(a.ids) == list(b.ids):
        where = a.correct & ~b.correct
        st.markdown(f"{where.sum():,} of {len(where):,} images. Under each: what **{literal(wrong)}** took it for.")
        pictures(choice, a.ids[where], captions=b.classes[b.predicted[where]], limit=75)
    else:
        st.info("These two were scored on different images; diagnose both with the same --fit to compare them.")
