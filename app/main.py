"""How do my checkpoints compare?  `streamlit run app/main.py -- --runs DIR` opens a folder of runs; each page is a question."""

import streamlit as st
from components.diagnose_button import unready
from sections import welcome
from sidebar import sidebar
from state import cached, selection

# The pages' names in menu and URL; their questions, which are their titles; and what hovering says.  No icons: with them
# not all names fit beside each other on a laptop.
PAGES = {
    "overview": ("How do they compare?", "What is to be said of each run, and its scores."),
    "training": ("How did it train?", "The loss, beside what the features were worth meanwhile."),
    "collapse": ("Has it collapsed?", "How many directions the features use, beside noise."),
    "geometry": (
        "What shape is the space?",
        "How tight, how even, how wide: numbers of the geometry, each beside its control.",
    ),
    "map": ("What is near what?", "Maps side by side; draw around points to see the images."),
    "similarity": ("What changed?", "How alike the checkpoints and layers are, and which images moved."),
    "probes": ("What can be decoded?", "What readouts tell of each label, beside their controls."),
    "bias": (
        "What did it pick up by accident?",
        "Whether an attribute is there, whether it is used, and who is served worse, beside oracles and controls.",
    ),
    "attention": (
        "Where does it look?",
        "Attention of transformers, and where the grids of the others answer, over the pictures.",
    ),
    "attribution": (
        "Why are these near each other?",
        "Which pixels it goes back to, beside what shows whether to believe it.",
    ),
    "audit": (
        "May it be relied on?",
        "All of it about the columns of the table, as a report to sign: what was found, what was not, and what was skipped.",
    ),
}

st.set_page_config(page_title="sslviz", page_icon=":material/scatter_plot:", layout="wide", initial_sidebar_state=240)
folder = selection.folder()
runs, problems = cached.runs(folder)
waiting = not runs or welcome.is_running(folder)
page = st.navigation(
    [
        st.Page(f"app_pages/{name}.py", title=name.capitalize(), help=text, default=name == "overview")
        for name, (_, text) in PAGES.items()
    ],
    position="hidden" if waiting else "top",
)

if waiting:
    welcome.show(folder, problems)
else:
    sidebar()
    welcome.failure(folder)
    chosen = selection.chosen()
    st.title(PAGES[page.url_path or "overview"][0], anchor=False)
    if not chosen.runs:
        st.info("Choose at least one run in the sidebar.", icon=":material/arrow_back:")
    elif page.url_path == "training":
        page.run()
    else:
        unready(chosen)
        if chosen.evidence:
            try:
                page.run()
            except (ValueError, OSError) as error:  # a sentence of ours, or a file that went away: no stack trace
                st.error(str(error), icon=":material/error:")
