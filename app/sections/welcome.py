"""What is there to see without any runs?  What a run is, how to make one, and a button that makes the demo's three."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import streamlit as st
from components.html import literal
from state import cached

from sslviz.catalog import diagnostics
from sslviz.evaluation.demo import EPOCHS, RUNS
from sslviz.runs import Run
from sslviz.runtime.files import check_folder

TRAINING = 0.8  # share of the demo's time that is training; the rest is diagnosing
LABELS = 3  # of the demo's images
RESULTS = sum(LABELS if entry.scope == "label" else 1 for entry in diagnostics() if entry.by_default)  # of each run
COMMANDS = """sslviz demo --runs {folder}

sslviz pretrain --images folder:PATH --method simclr --out {folder}/mine
sslviz diagnose {folder}/mine --images folder:PATH"""


def is_running(folder: Path) -> bool:
    """Whether this server is making the demo in this folder right now."""
    process = cached.demos().get(_key(folder))
    return process is not None and process.poll() is None


def failure(folder: Path) -> None:
    """Says with its last line why the demo ended early, if it did, and offers to go on with it."""
    if refused := st.session_state.pop("demo_refused", ""):
        st.error(f"The demo cannot be made here: {literal(refused)}", icon=":material/error:")
    process = cached.demos().get(_key(folder))
    if process is not None and process.poll():
        lines = (folder / ".demo.log").read_text(errors="replace").strip().splitlines()
        st.error(f"The demo stopped: {lines[-1] if lines else f'exit code {process.poll()}'}", icon=":material/error:")
        st.button("Go on with the demo", icon=":material/refresh:", on_click=start, args=(folder,))


def show(folder: Path, problems: list[str]) -> None:
    """The page itself."""
    st.title("The demo is being made" if is_running(folder) else "Nothing to compare yet", anchor=False)
    st.markdown(
        "A **run** is a folder that a pretraining writes: its settings, its loss, its checkpoints, and what they make of "
        "your images. sslviz puts the runs of a folder side by side, every number beside the control that says whether to "
        f"believe it. In `{folder}` there are none yet."
    )
    for problem in problems:
        st.caption(f":material/warning: Skipped: {problem}")
    failure(folder)
    with st.container(border=True):
        st.subheader("See what it looks like", anchor=False)
        st.markdown(
            "The demo trains three small encoders on drawn shapes; one of them collapses while its loss looks perfect. "
            "It takes a few minutes on two CPU cores and downloads nothing."
        )
        if is_running(folder):
            _progress(folder)
        else:
            st.button("Make the demo", icon=":material/play_arrow:", type="primary", on_click=start, args=(folder,))
    st.subheader("Or from a terminal", anchor=False)
    st.code(COMMANDS.format(folder=folder), language="bash")
    st.caption("Then reload this page.")


def start(folder: Path) -> None:
    """Starts the demo as a process of its own, which goes on when this page is closed; at most one a folder."""
    if is_running(folder):
        return
    try:
        check_folder(folder)
    except ValueError as error:
        st.session_state["demo_refused"] = str(error)
        return
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "sslviz", "demo", "--no-app", "--runs", str(folder)]
    with open(folder / ".demo.log", "wb") as log:
        cached.demos()[_key(folder)] = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


@st.fragment(run_every="1s")
def _progress(folder: Path) -> None:
    """How far the demo is; once it has ended, the app itself."""
    if not is_running(folder):
        st.rerun()
    share, text = progress(folder)
    st.progress(share, text)


def progress(folder: Path) -> tuple[float, str]:
    """Which share of the demo is done (0 to 1), and what it is doing, from the files that are there."""
    epochs = {name: _epochs(folder / name) for name in RUNS}
    results = {name: min(RESULTS, len(list(folder.glob(f"{name}/results/*.npz")))) for name in RUNS}
    share = TRAINING * sum(epochs.values()) / (EPOCHS * len(RUNS))
    share += (1 - TRAINING) * sum(results.values()) / (RESULTS * len(RUNS))
    for place, (name, done) in enumerate(epochs.items(), 1):
        if done < EPOCHS:
            return share, f"Training {name} ({place} of {len(RUNS)}): epoch {done} of {EPOCHS}"
    now = next((name for name, done in results.items() if done < RESULTS), name)
    return share, f"Diagnosing {now}: {results[now]} of {RESULTS} results"


def _epochs(path: Path) -> int:
    """How many epochs of this run are done; 0 if it has not begun."""
    try:
        return int(Run(path).history["epoch"].max())
    except ValueError:
        return 0


def _key(folder: Path) -> str:
    return str(folder.resolve())
