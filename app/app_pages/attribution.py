import streamlit as st
from components import checkpoint_picker
from components.image_picker import images_of, pick
from components.progress import readable
from components.target_picker import kind_words, possible_kinds, question_in_box
from sections.attribution import jobs, maps_of, maps_with_evidence, method_title, pair, quickest
from state.selection import chosen

from sslviz.explanations.attribution.methods import ATTRIBUTION_METHODS

choice = chosen()
top = st.container(horizontal=True, vertical_alignment="bottom")
box = st.expander("Compared with what, how many pictures, and of which checkpoints", icon=":material/tune:")
count = box.slider("Pictures that are explained", 2, 32, 8, key="attribution_count", bind="query-params")
with box:
    choice, picked = checkpoint_picker.checkpoints(choice, embedded=True)
with top:
    subjects = pick(choice, count)
    kinds = possible_kinds(choice, subjects)
    kind = st.selectbox("Explained", kinds, format_func=kind_words, key="explained", bind="query-params", width=270)
    place = st.empty()
checkpoint_picker.earlier(choice, picked)
checkpoints = readable(picked)
names = list(ATTRIBUTION_METHODS)
first = names.index(quickest(checkpoints, count))
method = place.selectbox("By", names, first, format_func=method_title, key="method", bind="query-params", width=200)
with box:
    question, subjects = question_in_box(choice, subjects, kind)
images = images_of(choice, subjects.rows)
outline = box.selectbox("Outline", ["none", *images.masks], key="outline", bind="query-params")
explained = list(jobs(choice, checkpoints, question, subjects))
maps = maps_of(choice, explained, images, method)
maps_with_evidence(choice, explained, maps, images, None if outline == "none" else outline)
pair(choice, checkpoints, subjects)
