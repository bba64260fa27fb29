"""How do my checkpoints compare?  `streamlit run app/main.py -- --runs DIR` opens a folder of runs; each page is a question."""

import cached
import choice
import show
import streamlit as st
import welcome

# The pages' names in menu and URL; their questions, which are their titles; and what hovering says.
PAGES = {
    "overview": ("How do they compare?", ":material/leaderboard:", "What is to be said of each run, and its scores."),
    "training": (
        "How did it train?",
        ":material/trending_up:",
        "The loss, beside what the features were worth meanwhile.",
    ),
    "collapse": ("Has it collapsed?", ":material/compress:", "How many directions the features use, beside noise."),
    "geometry": (
        "What shape is the space?",
        ":material/hub:",
        "How tight, how even, how wide: numbers of the geometry, each beside its control.",
    ),
    "map": (
        "What is near what?",
        ":material/scatter_plot:",
        "Maps side by side; draw around points to see the images.",
    ),
    "similarity": (
        "What changed?",
        ":material/compare_arrows:",
        "How alike the checkpoints and layers are, and which images moved.",
    ),
    "probes": ("What can be decoded?", ":material/labs:", "What readouts tell of each label, beside their controls."),
    "bias": (
        "What did it pick up by accident?",
        ":material/balance:",
        "Whether an attribute is there, whether it is used, and who is served worse, beside oracles and controls.",
    ),
    "attention": (
        "Where does it look?",
        ":material/visibility:",
        "Attention of transformers, and where the grids of the others answer, over the pictures.",
    ),
    "attribution": (
        "Why are these near each other?",
        ":material/troubleshoot:",
        "Which pixels it goes back to, beside what shows whether to believe it.",
    ),
    "audit": (
        "May it be relied on?",
        ":material/fact_check:",
        "All of it about the columns of the table, as a report to sign: what was found, what was not, and what was skipped.",
    ),
}

st.set_page_config(page_title="sslviz", page_icon=":material/scatter_plot:", layout="wide", initial_sidebar_state=240)
folder = choice.folder()
runs, problems = cached.runs(folder)
waiting = not runs or welcome.is_running(folder)
page = st.navigation(
    [
        st.Page(f"app_pages/{name}.py", title=name.capitalize(), icon=icon, help=text, default=name == "overview")
        for name, (_, icon, text) in PAGES.items()
    ],
    position="hidden" if waiting else "top",
)

if waiting:
    welcome.show(folder, problems)
else:
    choice.sidebar()
    welcome.failure(folder)
    chosen = choice.chosen()
    st.title(PAGES[page.url_path or "overview"][0], anchor=False)
    if not chosen.runs:
        st.info("Choose at least one run in the sidebar.", icon=":material/arrow_back:")
    elif page.url_path == "training":
        page.run()
    else:
        show.unready(chosen)
        if chosen.evidence:
            try:
                page.run()
            except (ValueError, OSError) as error:  # a sentence of ours, or a file that went away: no stack trace
                st.error(str(error), icon=":material/error:")
