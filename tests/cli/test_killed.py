"""What a killed process had finished is not computed again: a second start loses at most the answer at work."""

import os
import signal
import subprocess
import sys

import pytest

import sslviz
from sslviz.cli.main import main
from sslviz.runs import Run

SPEC = "shapes:n=400,size=16,seed=0"
# A process that says so and stops where it computes, or writes, its n-th answer, so that it is killed in the middle of it.
PROCESS = """
import os, sys, time
from sslviz.runs import Run

where, n, words = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
begun, embedded, replace, result = [], [], os.replace, Run.result

def stop():
    print("at work", flush=True)
    time.sleep(600)

def reached(place):
    if where == place and len(begun) == n:
        stop()

def begin(self, key, kind, compute):
    def computed():
        begun.append(key)
        reached("computing")
        return compute()
    return result(self, key, kind, computed)

def write(source, target):
    if str(target).endswith(".npz"):
        reached("writing")
    if "/features/" in str(target) and str(target).endswith(".npy"):
        embedded.append(target)
        if where == "embedding" and len(embedded) == n:
            stop()
    replace(source, target)

Run.result, os.replace = begin, write
from sslviz.cli.main import main
main(words)
"""
PLAN = """
label = "shape"
attributes = []
maps = 0
despite_collapse = true
skip = ["drift", "low_label", "noise_tolerance", "calibration", "novelty", "slices", "ranking", "hubness"]
"""


@pytest.fixture
def run(tmp_path):
    made = Run.create(tmp_path / "mine", {"encoder": {"name": "conv_nano", "image_size": 16}})
    made.save_checkpoint(1, sslviz.create_encoder("conv_nano", image_size=16, seed=1).state_dict())
    return made


def kill_in_the_middle(where, n, words):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROCESS, where, str(n), *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        said = ""
        for line in process.stdout:
            said += line
            if line == "at work\n":
                break
        else:
            pytest.fail(said + process.stderr.read())
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def stored(run):
    """{file: when it was written} of all features and results."""
    return {
        path: path.stat().st_mtime_ns
        for folder in ("features", "results")
        for path in (run.path / folder).glob("[!.]*")
        if path.suffix in (".npz", ".npy")
    }


ASKED = {
    "diagnose, computing": (
        ["diagnose", "--only", "spectrum,knn_probe,linear_probe,invariance", "--label", "shape"],
        "computing",
    ),
    "diagnose, writing": (
        ["diagnose", "--only", "spectrum,knn_probe,linear_probe,invariance", "--label", "shape"],
        "writing",
    ),
    "diagnose, embedding": (["diagnose", "--only", "spectrum,knn_probe,invariance", "--label", "shape"], "embedding"),
    "audit, computing": (["audit"], "computing"),
    "explain, computing": (["explain", "--method", "saliency", "--quick"], "computing"),
}


@pytest.mark.parametrize(("asked", "where"), ASKED.values(), ids=ASKED)
def test_a_second_start_computes_only_what_was_not_finished(run, tmp_path, asked, where, monkeypatch, capsys):
    command, *options = asked
    (tmp_path / "plan.toml").write_text(PLAN)
    options += {
        "audit": ["--config", str(tmp_path / "plan.toml"), "--out", str(tmp_path / "report.html")],
        "explain": ["--out", str(tmp_path / "maps.html")],
        "diagnose": [],
    }[command]
    words = [command, str(run.path), "--images", SPEC, *options]
    kill_in_the_middle(where, 4, words)
    before = stored(run)
    answered = sum(path.suffix == ".npz" for path in before)
    assert (len(before) if where == "embedding" else answered) == 3
    computed, result = [], Run.result

    def counting(self, key, kind, compute):
        return result(self, key, kind, lambda: computed.append(key) or compute())

    monkeypatch.setattr(Run, "result", counting)
    main(words)
    after = stored(run)
    assert {path: after[path] for path in before} == before, "something finished was made again"
    assert len(computed) == sum(path.suffix == ".npz" for path in after) - answered >= 1
    computed.clear()
    for path in (tmp_path / "report.html", tmp_path / "report.json", tmp_path / "maps.html"):
        path.unlink(missing_ok=True)
    capsys.readouterr()
    main(words)
    assert not computed and stored(run) == after
    assert "Everything is stored; nothing to compute." in capsys.readouterr().err
