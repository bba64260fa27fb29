from itertools import combinations

import streamlit as st
from components.charts import chart, section
from components.checkpoint_picker import run_box
from components.diagnose_button import every_step, offer_stimulus
from components.html import literal
from sections.comparison import better, compared_pairs, most_changed, only_two
from sections.questions import questions
from state import cached
from state.selection import chosen, everything

from sslviz.catalog import entries_on
from sslviz.figures.similarity.similarity import heatmap

SCORES = {"cka": "CKA", "procrustes": "Procrustes distance", "mutual_knn": "shared neighbours", "rsa": "RSA"}

choice = chosen()
names = list(choice.evidence)
score = st.segmented_control(
    "Measured by",
    list(SCORES),
    format_func=SCORES.__getitem__,
    default="cka",
    required=True,
    key="similarity",
    bind="query-params",
)

if len(names) > 1:
    if pairs := compared_pairs(choice):
        chart(heatmap(pairs, score=score), choice, "checkpoints", caveat=None)
    with st.container(horizontal=True):
        a = st.selectbox("From", names, key="from", bind="query-params")
        b = st.selectbox("to", [name for name in names if name != a], key="to", bind="query-params")
    two = only_two(choice, a, b)
    before, after = choice.evidence[a], choice.evidence[b]
    title = f"{a} → {b}"
    section(choice, "similarity", {title: cached.pair(choice.runs[b], "similarity", after, before)})
    st.subheader(f"Which images changed from {literal(a)} to {literal(b)}?", anchor=False)
    changed = cached.pair(choice.runs[b], "changed", after, before)
    section(choice, "changed", {title: changed})
    most_changed(two, changed, a, b)
    st.subheader(f"Which is better, {literal(a)} or {literal(b)}?", anchor=False)
    better(two, everything(two), a, b)
    for entry in entries_on("similarity"):
        if entry.scope == "pair" and entry.name not in ("similarity", "changed"):
            st.subheader(entry.question, anchor=False)
            section(choice, entry.name, {title: cached.pair(choice.runs[b], entry.name, after, before)})
else:
    st.info("Choose a second run in the sidebar to see what differs between two.", icon=":material/compare_arrows:")

st.subheader("Which layers are alike?", anchor=False)
with st.container(horizontal=True):
    down = st.selectbox("Layers of", names, key="layers_of", bind="query-params")
    across = st.selectbox("beside those of", names, key="layers_beside", bind="query-params")
layers = [cached.layers(choice.runs[name], choice.digest) for name in (down, across)]
if all(layers):
    chart(heatmap(cached.layer_pairs(choice.runs[down], *layers), score=score), choice, "layers", caveat=None)
else:
    without = [name for name, kept in zip((down, across), layers, strict=True) if not kept]
    offer_stimulus(choice, without, "layers")

st.subheader("When did it become what it is?", anchor=False)
every_step(choice)
run = run_box("Steps of", names, "steps_of")
steps = cached.steps(choice.runs[run], choice.digest)
if len(steps) > 1:
    pairs = {
        (f"step {i}", f"step {j}"): cached.pair(choice.runs[run], "similarity", steps[j], steps[i])
        for i, j in combinations(steps, 2)
    }
    chart(heatmap(pairs, score=score), choice, "steps")
questions(choice, "similarity")
