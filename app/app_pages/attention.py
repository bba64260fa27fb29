import streamlit as st
from components import checkpoint_picker
from components.image_picker import images_of, pick
from components.progress import readable
from sections.attention import attentions, grid_of_maps, grids, heads, in_layer, layer_options, one_picture
from state.selection import chosen

choice = chosen()
top, rest = st.container(horizontal=True, vertical_alignment="bottom"), st.container()
with st.expander("How many pictures, and of which checkpoints?", icon=":material/tune:"):
    count = st.slider("Pictures that are looked at", 4, 48, 12, key="attention_count", bind="query-params")
    choice, picked = checkpoint_picker.checkpoints(choice)
with top:
    subjects = pick(choice, count)
    through = st.empty()
with rest:
    images = images_of(choice, subjects.rows)
    checkpoint_picker.earlier(choice, picked)
    checkpoints = readable(picked)
    results, others = attentions(choice, checkpoints, images)
    if results:
        layer = through.selectbox("Through", layer_options(results), key="layer", bind="query-params", width=220)
        shown = in_layer(results, checkpoints, images, layer)
        grid_of_maps(choice, shown, images, layer)
        heads(choice, results)
        one_picture(choice, shown, checkpoints, images)
    if others:
        grids(choice, {name: checkpoints[name] for name in others}, images)
