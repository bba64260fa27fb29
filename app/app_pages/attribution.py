import streamlit as st
from components.image_picker import images_of, pick
from components.progress import readable
from components.target_picker import kind_words, possible_kinds, question_in_box
from sections.attribution import METHODS, beside_evidence, jobs, maps_of, pair, quickest
from state.selection import chosen

choice = chosen()
top = st.container(horizontal=True, vertical_alignment="bottom")
box = st.expander("Compared with what, and how many pictures", icon=":material/tune:")
count = box.slider("Pictures that are explained", 2, 32, 8, key="attribution_count", bind="query-params")
with top:
    subjects = pick(choice, count)
    kind = st.selectbox(
        "Explained", possible_kinds(choice, subjects), format_func=kind_words, key="explained", bind="query-params",
        width=270,
    )  # fmt: skip
    place = st.empty()
checkpoints = readable(choice)
names = list(METHODS)
method = place.selectbox(
    "By", names, names.index(quickest(checkpoints, count)), format_func=lambda name: METHODS[name][0], key="method",
    bind="query-params", width=200,
)  # fmt: skip
with box:
    question, subjects = question_in_box(choice, subjects, kind)
images = images_of(choice, subjects.rows)
outline = box.selectbox("Outline", ["none", *images.masks], key="outline", bind="query-params")
wanted = list(jobs(choice, checkpoints, question, subjects))
maps = maps_of(choice, wanted, images, method)
beside_evidence(choice, wanted, maps, images, None if outline == "none" else outline)
pair(choice, checkpoints, subjects)
