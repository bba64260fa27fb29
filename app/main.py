"""How do my checkpoints compare?  `streamlit run app/main.py -- --runs DIR` opens a folder of runs; each page is a question."""

import streamlit as st
from components.diagnose_button import unready
from components.work import go_on, under_way
from menu import PAGES
from sections import welcome
from sidebar import sidebar
from state import selection
from streamlit.runtime.scriptrunner import StopException

st.set_page_config(page_title="sslviz", page_icon=":material/scatter_plot:", layout="wide", initial_sidebar_state=240)
folder = selection.folder()
runs, problems = selection.all_runs()
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
    bar = under_way()
    if not chosen.runs:
        st.info("Choose at least one run in the sidebar.", icon=":material/arrow_back:")
    elif page.url_path == "training":
        page.run()
    else:
        unready(chosen)
        if chosen.evidence:
            try:
                page.run()
            except StopException:  # a page that ends early still lets the work go on
                pass
            except (ValueError, OSError) as error:  # a sentence of ours, or a file that went away: no stack trace
                st.error(str(error), icon=":material/error:")
    go_on(bar)
