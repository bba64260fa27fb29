import streamlit as st
from components.charts import chart
from components.checkpoint_picker import some_runs
from components.html import literal
from sections.map import aligned_maps, explore, map_of, missing_maps
from sections.map_over_training import settings, through_training
from sections.questions import questions
from state.selection import chosen, labels

from sslviz.catalog import find_entry
from sslviz.figures import score_bars
from sslviz.figures.projection.point_colors import RELIABILITY

MOST = 4  # maps side by side: a browser draws few WebGL charts at once
LAYOUTS = {"umap": "UMAP", "umap-learn": "umap-learn", "pca": "PCA"}

choice = chosen()
names = some_runs("Maps of", list(choice.evidence), MOST, "maps_of")
if not names:
    st.info("Choose a run to see its map.", icon=":material/arrow_upward:")
    st.stop()
features = choice.evidence[names[0]].features
columns = dict.fromkeys(
    [*labels(choice), *features.table.columns.drop(["label", "split", "noise_seed"], errors="ignore")]
)

with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    color = st.selectbox("Colour by", [*columns, RELIABILITY], key="color", bind="query-params", width=200)
    layout = st.segmented_control(
        "Layout",
        list(LAYOUTS),
        format_func=LAYOUTS.__getitem__,
        default="umap",
        required=True,
        key="layout",
        bind="query-params",
    )
    null = st.toggle(
        "Show the null maps",
        key="null",
        bind="query-params",
        help="The control: what the same layout makes of noise with the same mean and covariance, which has no groups.",
    )
if len(choice.evidence) > MOST:
    st.caption(f"Maps of {len(names)} of the {len(choice.evidence)} runs, at most {MOST} at once.")

computed, missing = False, [] if layout == "pca" else missing_maps(choice, names, layout)
asked = layout
if missing:
    layout = "pca"
    box = st.container(border=True)
    with box.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"Below is the PCA: the {LAYOUTS[asked]} of {literal(', '.join(missing))} is not computed yet.")
        computed = st.button(f"Compute {LAYOUTS[asked]}", icon=":material/play_arrow:")

found, reasons = aligned_maps(choice, names, layout)
for name, reason in reasons.items():
    st.caption(f":material/block: No map of {literal(name)}. {reason}")
if found:
    explore(choice, names, found, color, null)
    st.subheader("How far can the maps be believed?", anchor=False)
    scores = {name: map_of(choice, name, layout).scores() for name in found}
    chart(score_bars(scores, colors=choice.colors), choice, "map_scores", caveat=find_entry("projection").caveat)
    by = None if color == RELIABILITY else color
    through_training(choice, names, by)
    settings(choice, list(found), by)
questions(choice, "map", drawn=["projection"])

if computed:  # last of all, so that the PCA is there meanwhile
    with box.status(f"Loading {LAYOUTS[asked]}") as status:
        for name in missing:
            status.update(label=f"{name}: laying out {len(features):,} images, and four maps to compare with")
            map_of(choice, name, asked)
    st.rerun()
